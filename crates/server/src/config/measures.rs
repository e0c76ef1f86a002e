//! Times and sizes: numbers with a unit.

use std::time::Duration;

use toml::de::DeValue;

use super::scalar::{Scalar, quoted};

/// A time, which is written as a number with its unit.
impl Scalar for Duration {
    const EXPECTED: &'static str =
        "a time with its unit: \"250ms\", \"10s\", \"5m\", \"12h\" or \"30d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)) {
            Some(total) if millis > 0 => Ok(Self::from_millis(total)),
            _ => Err(format!("{text:?} is not {}", Self::EXPECTED)),
        }
    }

    fn show(&self) -> Option<String> {
        let millis = self.as_millis();
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
        let fits =
            units.into_iter().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit));
        let (unit, millis_each) = fits.unwrap_or(("s", 1000));
        Some(quoted(&format!("{}{unit}", millis / millis_each)))
    }
}

/// A time as it is written in a configuration: `250ms`, `10s`, `5m`, `12h`, `30d`.
///
/// # Errors
/// With a sentence about what may be written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::from_text(text)
}

/// A number of bytes, which may be written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u32);

impl Size {
    /// As a length in memory.
    pub const fn len(self) -> usize {
        self.0 as usize
    }

    /// Whether it is zero.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Scalar for Size {
    const EXPECTED: &'static str = "a number of bytes: 65536, \"64KiB\" or \"1MiB\", below 4 GiB";

    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "" | "B" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            _ => None,
        };
        let bytes = shift.and_then(|shift| number.parse::<u32>().ok()?.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| format!("{text:?} is not {}", Self::EXPECTED))
    }

    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Integer(_) => u32::from_value(value).map(Self),
            DeValue::String(text) => Self::from_text(text),
            _ => Err(Self::expected(value)),
        }
    }

    fn show(&self) -> Option<String> {
        Some(match self.0 {
            bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => {
                format!("\"{}MiB\"", bytes >> 20)
            }
            bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => {
                format!("\"{}KiB\"", bytes >> 10)
            }
            bytes => bytes.to_string(),
        })
    }
}
