//! From f32 to the types that are written.

use half::{bf16, f16};

use crate::TensorType;

/// Appends elements, a whole number of blocks, or returns the index of one that the type cannot hold.
pub(crate) type Quantizer = fn(&[f32], &mut Vec<u8>) -> Result<(), usize>;

/// How f32 becomes a type, where that is known.
pub(crate) fn quantizer(tensor_type: TensorType) -> Option<Quantizer> {
    match tensor_type {
        TensorType::F32 => Some(f32s),
        TensorType::F16 => Some(f16s),
        TensorType::BF16 => Some(bf16s),
        TensorType::Q8_0 => Some(q8_0),
        _ => None,
    }
}

fn f32s(values: &[f32], out: &mut Vec<u8>) -> Result<(), usize> {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(())
}

/// Rounds to the nearest, ties to even. A finite value that would become infinite is an error.
fn f16s(values: &[f32], out: &mut Vec<u8>) -> Result<(), usize> {
    for (index, value) in values.iter().enumerate() {
        let half = f16::from_f32(*value);
        if half.is_infinite() && value.is_finite() {
            return Err(index);
        }
        out.extend(half.to_le_bytes());
    }
    Ok(())
}

/// Rounds to the nearest, ties to even (`ggml_compute_fp32_to_bf16`).
fn bf16s(values: &[f32], out: &mut Vec<u8>) -> Result<(), usize> {
    out.extend(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()));
    Ok(())
}

/// As `quantize_row_q8_0_ref` of ggml-quants.c. A value that is not finite, or so large that the scale is not, is an error.
fn q8_0(values: &[f32], out: &mut Vec<u8>) -> Result<(), usize> {
    for (block, values) in values.as_chunks::<32>().0.iter().enumerate() {
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(32 * block + index);
        }
        let largest = values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let d = largest / 127.0;
        let half = f16::from_f32(d);
        if half.is_infinite() {
            return Err(32 * block + values.iter().position(|value| value.abs() == largest).unwrap_or(0));
        }
        let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
        out.extend(half.to_le_bytes());
        // `round` takes halves away from zero, as C's `roundf`.
        out.extend(values.map(|value| (value * inverse).round() as i8 as u8));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_value_a_type_cannot_hold() {
        let quantize = |tensor_type, values: &[f32]| quantizer(tensor_type).unwrap()(values, &mut Vec::new());
        assert_eq!(quantize(TensorType::F16, &[65504.0, f32::INFINITY, 65519.9, 65520.0]), Err(3));
        assert_eq!(quantize(TensorType::BF16, &[f32::NAN, f32::MAX]), Ok(()));
        let mut values = [1.0; 64];
        values[40] = -9e6;
        assert_eq!(quantize(TensorType::Q8_0, &values), Err(40));
        values[40] = -8e6;
        assert_eq!(quantize(TensorType::Q8_0, &values), Ok(()));
        values[41] = f32::NAN;
        assert_eq!(quantize(TensorType::Q8_0, &values), Err(41));
    }

    #[test]
    fn halves_round_away_from_zero_in_q8_0() {
        let mut values = [0.0; 32];
        values[..6].copy_from_slice(&[127.0, 0.5, -0.5, 1.5, 2.5, -2.5]);
        let mut out = Vec::new();
        q8_0(&values, &mut out).unwrap();
        assert_eq!(out[..8], [0x00, 0x3c, 127, 1, -1i8 as u8, 2, 3, -3i8 as u8]);
    }
}
