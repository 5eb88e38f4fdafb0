//! How exported numbers are stored.

use std::str::FromStr;

use burn::tensor::{bf16, f16};

/// How the values of exported tensors are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits, as Hearth computes.
    F32,
    /// 16 bits of IEEE 754: values up to 65504.
    F16,
    /// The upper 16 bits of f32.
    Bf16,
    /// Blocks of 32 values of 8 bits with a scale of 16 each; of GGUF alone.
    Q8_0,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0];

    /// Its name, as `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// Bytes of a value; none of what comes in blocks.
    pub(super) fn bytes(self) -> Option<usize> {
        match self {
            Self::F32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::Q8_0 => None,
        }
    }

    /// The bytes of `values`, little-endian, without blocks.
    ///
    /// # Errors
    /// The first finite value that becomes infinite.
    pub(super) fn encode(self, values: &[f32]) -> Result<Vec<u8>, f32> {
        let mut out = Vec::with_capacity(values.len() * self.bytes().unwrap_or(4));
        for value in values {
            let is_stored = match self {
                Self::F16 => {
                    let half = f16::from_f32(*value);
                    out.extend(half.to_le_bytes());
                    half.is_finite() || !value.is_finite()
                }
                Self::Bf16 => {
                    let half = bf16::from_f32(*value);
                    out.extend(half.to_le_bytes());
                    half.is_finite() || !value.is_finite()
                }
                Self::F32 | Self::Q8_0 => {
                    out.extend(value.to_le_bytes());
                    true
                }
            };
            if !is_stored {
                return Err(*value);
            }
        }
        Ok(out)
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| format!("it is one of {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_and_what_they_cannot_hold_is_told() {
        assert_eq!(Precision::F16.encode(&[1.0, 1e-8]), Ok(vec![0, 0x3c, 0, 0]));
        assert_eq!(Precision::Bf16.encode(&[1.0]), Ok(vec![0x80, 0x3f]));
        assert_eq!(Precision::F16.encode(&[2.0, 7e4]), Err(7e4));
        assert_eq!(Precision::Bf16.encode(&[3.4e38]), Err(3.4e38));
        assert_eq!("q8_0".parse(), Ok(Precision::Q8_0));
        assert!("int8".parse::<Precision>().unwrap_err().contains("f32, f16, bf16, q8_0"));
    }
}
