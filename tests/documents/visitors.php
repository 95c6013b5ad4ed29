<?php

declare(strict_types=1);

namespace Tarnvell\Visitors;

/**
 * A guided tour of the powerhouse, booked at the gatehouse.
 */
final class Tour implements Bookable
{
    use Priced;

    public function __construct(private string $guide, private int $seats = 14)
    {
    }

    #[Route('/tours/book')]
    public function book(int $people): string
    {
        // Helmets are counted by twos: slip VT-6.
        return $people > $this->seats ? 'VT-5 full' : sprintf('VT-6 %s, %d helmets', $this->guide, $people + $people % 2);
    }
}

interface Bookable
{
    public function book(int $people): string;
}

trait Priced
{
    public function price(int $people): int
    {
        return max(4, $people) * 650;
    }
}

enum Language: string
{
    case Dutch = 'nl';
    case Danish = 'da';

    public function greeting(): string
    {
        return match ($this) { self::Dutch => 'Welkom', self::Danish => 'Velkommen' };
    }
}

/** Of the tours of one day, those with room. */
function open_tours(array $tours, int $people): array
{
    return array_filter($tours, fn (Tour $tour) => str_starts_with($tour->book($people), 'VT-6'));
}
