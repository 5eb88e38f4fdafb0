//! Elements of tensors, to f32 and from it, a block at a time: one file a family of types.

mod bits;
mod codebook;
mod float;
mod k_quants;
mod legacy;
mod quantize;

use crate::TensorType;

pub(crate) use quantize::{Quantizer, quantizer};

/// Makes whole blocks f32; the second has room for as many elements as the first holds.
type Dequantizer = fn(&[u8], &mut [f32]);

/// How a type becomes f32, where that is known.
pub(crate) fn dequantizer(tensor_type: TensorType) -> Option<Dequantizer> {
    Some(match tensor_type {
        TensorType::F32 => |bytes, out| each(bytes, out, float::f32),
        TensorType::F16 => |bytes, out| each(bytes, out, float::f16),
        TensorType::BF16 => |bytes, out| each(bytes, out, float::bf16),
        TensorType::F64 => |bytes, out| each(bytes, out, float::f64),
        TensorType::Q4_0 => |bytes, out| each(bytes, out, legacy::q4_0),
        TensorType::Q4_1 => |bytes, out| each(bytes, out, legacy::q4_1),
        TensorType::Q5_0 => |bytes, out| each(bytes, out, legacy::q5_0),
        TensorType::Q5_1 => |bytes, out| each(bytes, out, legacy::q5_1),
        TensorType::Q8_0 => |bytes, out| each(bytes, out, legacy::q8_0),
        TensorType::Q2_K => |bytes, out| each(bytes, out, k_quants::q2_k),
        TensorType::Q3_K => |bytes, out| each(bytes, out, k_quants::q3_k),
        TensorType::Q4_K => |bytes, out| each(bytes, out, k_quants::q4_k),
        TensorType::Q5_K => |bytes, out| each(bytes, out, k_quants::q5_k),
        TensorType::Q6_K => |bytes, out| each(bytes, out, k_quants::q6_k),
        TensorType::IQ4_NL => |bytes, out| each(bytes, out, codebook::iq4_nl),
        TensorType::IQ4_XS => |bytes, out| each(bytes, out, codebook::iq4_xs),
        TensorType::MXFP4 => |bytes, out| each(bytes, out, codebook::mxfp4),
        _ => return None,
    })
}

/// Names of the types for which something holds, for an error.
pub(crate) fn names(holds: impl Fn(TensorType) -> bool) -> String {
    TensorType::all().filter(|it| holds(*it)).map(TensorType::name).collect::<Vec<_>>().join(", ")
}

/// Makes each block of `BYTES` bytes `ELEMENTS` elements.
fn each<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    debug_assert_eq!(bytes.len() / BYTES, out.len() / ELEMENTS);
    bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0).for_each(|(bytes, out)| block(bytes, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_sizes_of_their_types() {
        for tensor_type in TensorType::all() {
            let Some(dequantize) = dequantizer(tensor_type) else { continue };
            let bytes = vec![0; 3 * tensor_type.block_bytes()];
            let mut out = vec![f32::NAN; 3 * tensor_type.block_elements()];
            dequantize(&bytes, &mut out);
            assert!(out.iter().all(|value| *value == 0.0), "{}: {out:?}", tensor_type.name());
        }
    }
}
