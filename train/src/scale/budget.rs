//! What may be spent.

use std::{fmt, str::FromStr};

use serde::Serialize;

/// What training may take. Read from a text as `1e15` (floating-point operations), or `90s`, `10m`, `8h` or `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Floating-point operations of training, forward and back.
    Flops(f64),
    /// Seconds on the device.
    Seconds(f64),
}

/// Units of time, and their seconds.
const UNITS: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl Budget {
    /// The same, so many times.
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Flops(flops) => Self::Flops(flops * factor),
            Self::Seconds(seconds) => Self::Seconds(seconds * factor),
        }
    }

    /// The share of it that something takes.
    pub(super) fn share(self, flops: f64, seconds: f64) -> f64 {
        match self {
            Self::Flops(all) => flops / all,
            Self::Seconds(all) => seconds / all,
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no budget: give FLOPs, as 1e15, or a duration, as 90s, 10m, 8h or 2d");
        let unit = UNITS.iter().find_map(|(name, seconds)| Some((text.strip_suffix(name)?, seconds)));
        let number: f64 = unit.map_or(text, |(number, _)| number).trim().parse().map_err(|_| wrong())?;
        if !(number > 0.0 && number.is_finite()) {
            return Err(wrong());
        }
        Ok(unit.map_or(Self::Flops(number), |(_, seconds)| Self::Seconds(number * seconds)))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flops(flops) => write!(f, "{flops:.2e} FLOPs"),
            Self::Seconds(seconds) => f.write_str(&duration(*seconds)),
        }
    }
}

/// A time in the largest unit of which it has one and a half, in three digits at most.
pub fn duration(seconds: f64) -> String {
    let (name, unit) = UNITS.iter().rev().find(|(_, unit)| seconds >= 1.5 * unit).unwrap_or(&UNITS[0]);
    let (count, name) = (seconds / unit, if *name == "m" { "min" } else { name });
    let decimals = usize::from(count < 10.0);
    format!("{count:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_operations_or_times() {
        let read = |text: &str| text.parse::<Budget>();
        assert_eq!(read("1e15"), Ok(Budget::Flops(1e15)));
        assert_eq!(read("90s"), Ok(Budget::Seconds(90.0)));
        assert_eq!(read("1.5 h"), Ok(Budget::Seconds(5400.0)));
        assert_eq!([read("10m"), read("2d")], [Ok(Budget::Seconds(600.0)), Ok(Budget::Seconds(172_800.0))]);
        for text in ["", "m", "-1e9", "0", "inf", "NaN", "1e15 FLOPs", "ten"] {
            assert!(read(text).unwrap_err().contains("as 1e15, or a duration"), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit_that_fits() {
        let said = [0.31, 45.2, 100.0, 600.0, 7200.0, 200_000.0].map(duration);
        assert_eq!(said, ["0.3 s", "45 s", "1.7 min", "10 min", "2.0 h", "2.3 d"]);
        assert_eq!(Budget::Flops(1.234e15).times(2.0).to_string(), "2.47e15 FLOPs");
    }
}
