//! The spillway of Pellworth Weir: which gates open at which level.

use std::fmt;

/// A gate of the spillway.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    number: u8,
    opening_percent: u8,
}

impl Gate {
    pub fn closed(number: u8) -> Self {
        Self { number, opening_percent: 0 }
    }

    // Never by more than a fifth at once: the anglers downstream, order SW-2.
    #[must_use]
    pub fn raised(&self, percent: u8) -> Self {
        Self { opening_percent: (self.opening_percent + percent.min(20)).min(100), ..self.clone() }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SW gate {} at {} %", self.number, self.opening_percent)
    }
}

pub trait Weir {
    fn gates(&self) -> Vec<Gate>;

    fn is_shut(&self) -> bool {
        self.gates().iter().all(|gate| gate.opening_percent == 0)
    }
}

pub enum Level {
    Summer,
    Flood { centimetres: u32 },
}

mod siren {
    pub(crate) fn needed(level: &super::Level) -> bool {
        matches!(level, super::Level::Flood { centimetres } if *centimetres > 310)
    }
}

macro_rules! gates {
    ($($number:expr),*) => { vec![$(Gate::closed($number)),*] };
}

/// The order of opening in a flood: the middle first.
pub fn flood_order(level: Level) -> Vec<Gate> {
    if siren::needed(&level) { gates![3, 2, 4, 1, 5] } else { gates![3] }
}
