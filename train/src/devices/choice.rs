//! The device that a user asks for.

use std::{fmt, str::FromStr};

/// A device that `--device` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// A discrete GPU, else an integrated or virtual one, else the CPU backend. Never a software adapter.
    #[default]
    Auto,
    /// The CPU backend (Burn's Flex).
    Cpu,
    /// A wgpu adapter by its number in [`adapters`](super::adapters); without one the best there is, software included.
    Wgpu(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "wgpu" => Ok(Self::Wgpu(None)),
            Some(("wgpu", index)) if index.parse::<usize>().is_ok() => Ok(Self::Wgpu(index.parse().ok())),
            _ => {
                let meant = meant(text).map_or(String::new(), |it| format!("; did you mean {it}?"));
                Err(format!("\"{text}\" is not a device: give auto, cpu, wgpu or wgpu:N{meant}"))
            }
        }
    }
}

/// The device that other programs, or other spellings, call by this name.
fn meant(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (name, number) = text.split_at(text.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(text.len()));
    let number = number.trim_start_matches([':', '-', ' ']);
    match name {
        "auto" | "cpu" => Some(name.into()),
        // wgpu reaches all of them.
        "gpu" | "wgpu" | "cuda" | "vulkan" | "metal" | "mps" | "dx" | "rocm" | "hip" | "webgpu" | "wpgu" => {
            Some(if number.parse::<usize>().is_ok() && name != "dx" { format!("wgpu:{number}") } else { "wgpu".into() })
        }
        _ => None,
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Wgpu(None) => write!(f, "wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_round_trip_and_nonsense_is_refused() {
        for text in ["auto", "cpu", "wgpu", "wgpu:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for (text, meant) in [
            ("gpu", "; did you mean wgpu?"),
            ("CUDA:1", "; did you mean wgpu:1?"),
            ("wgpu0", "; did you mean wgpu:0?"),
            ("wgpu:", "; did you mean wgpu?"),
            ("cpu:0", "; did you mean cpu?"),
            ("tpu", ""),
            ("", ""),
        ] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert_eq!(error, format!("\"{text}\" is not a device: give auto, cpu, wgpu or wgpu:N{meant}"));
        }
    }
}
