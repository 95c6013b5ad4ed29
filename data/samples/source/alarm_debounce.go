// Package alarm decides when a channel of a Tarn gateway is in alarm.
//
// A limit must be violated without interruption for the on-delay before the alarm
// is raised, and the value must be back inside the hysteresis for the off-delay
// before it is cleared. Invalid readings change nothing: a probe that is lost has
// its own error (E-2042) and must not clear an alarm that is standing.
package alarm

import (
	"errors"
	"math"
	"time"
)

// State of one channel.
type State int

const (
	Normal    State = iota // inside the limits
	Pending                // violated, on-delay is running
	Raised                 // alarm not confirmed
	Confirmed              // alarm confirmed by an operator, still present
)

// Limits of one channel. NaN switches a limit off.
type Limits struct {
	Low, High  float64
	Hysteresis float64
	OnDelay    time.Duration
	OffDelay   time.Duration
}

// DefaultLimits has no limits but the delays of firmware 3.4.
func DefaultLimits() Limits {
	return Limits{
		Low: math.NaN(), High: math.NaN(),
		OnDelay: 30 * time.Second, OffDelay: 120 * time.Second,
	}
}

// Debouncer holds the state of one channel. It is not safe for concurrent use.
type Debouncer struct {
	limits Limits
	state  State
	since  time.Time // start of the delay that is running
	timing bool
}

// New checks the limits and returns a debouncer in the state Normal.
func New(limits Limits) (*Debouncer, error) {
	if limits.Low > limits.High {
		return nil, errors.New("alarm: low limit above high limit")
	}
	if limits.Hysteresis < 0 || limits.OnDelay < 0 || limits.OffDelay < 0 {
		return nil, errors.New("alarm: negative hysteresis or delay")
	}
	return &Debouncer{limits: limits}, nil
}

// State returns the present state.
func (d *Debouncer) State() State { return d.state }

// Confirm is called when an operator holds S2 for three seconds or writes 0xA11C
// to register 0x01F0. It has no effect unless an alarm is raised.
func (d *Debouncer) Confirm() {
	if d.state == Raised {
		d.state = Confirmed
	}
}

// Feed takes one reading and returns the new state.
func (d *Debouncer) Feed(now time.Time, value float64) State {
	if math.IsNaN(value) {
		return d.state
	}
	switch d.state {
	case Normal:
		if d.violated(value) {
			d.state, d.since = Pending, now
			return d.promote(now)
		}
	case Pending:
		if !d.violated(value) {
			d.state = Normal
			return d.state
		}
		return d.promote(now)
	case Raised, Confirmed:
		if !d.recovered(value) {
			d.timing = false
			return d.state
		}
		if !d.timing {
			d.timing, d.since = true, now
		}
		if now.Sub(d.since) >= d.limits.OffDelay {
			d.state, d.timing = Normal, false
		}
	}
	return d.state
}

func (d *Debouncer) promote(now time.Time) State {
	if now.Sub(d.since) >= d.limits.OnDelay {
		d.state, d.timing = Raised, false
	}
	return d.state
}

// violated compares with the bare limits; comparisons with NaN are false.
func (d *Debouncer) violated(value float64) bool {
	return value < d.limits.Low || value > d.limits.High
}

// recovered asks for the hysteresis on top, so that a value on the edge does not
// make the horn sound every other minute.
func (d *Debouncer) recovered(value float64) bool {
	return !(value < d.limits.Low+d.limits.Hysteresis) &&
		!(value > d.limits.High-d.limits.Hysteresis)
}
