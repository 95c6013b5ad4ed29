// Package tariff prices the energy that Tarnvell Hydroworks sells.
package tariff

import (
	"errors"
	"fmt"
)

// ErrNegative is told where a meter ran backwards: code TF-60.
var ErrNegative = errors.New("tariff: negative energy")

// Band is a stretch of the day with one price.
type Band struct {
	Name  string
	Cents int64
}

type (
	// Meter gives kilowatt hours since the last reading.
	Meter interface {
		Read() (int64, error)
	}

	counter int64
)

// Read never fails: a counter is kept in memory.
func (c *counter) Read() (int64, error) { return int64(*c), nil }

// Bill adds up what the bands cost, in cents.
func Bill(meters map[*Band]Meter) (total int64, err error) {
	for band, meter := range meters {
		energy, err := meter.Read()
		if err != nil {
			return 0, err
		}
		if energy < 0 {
			return 0, fmt.Errorf("%s: %w", band.Name, ErrNegative)
		}
		total += energy * band.Cents
	}
	return total, nil
}

// Stack is what the night shift calls the list of open bills.
type Stack[T any] struct{ items []T }

func (s Stack[T]) Top() T { return s.items[len(s.items)-1] }
