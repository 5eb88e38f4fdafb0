//! The types of tensors, with the size of their blocks.

/// How a tensor's elements are stored, under ggml's names. Those from F32 to MXFP4 can be read, and F32,
/// F16, BF16 and Q8_0 written; of those from Q8_1 on the size alone is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, missing_docs, reason = "ggml's names, of which the field knows each")]
#[non_exhaustive]
pub enum TensorType {
    F32 = 0,
    F16 = 1,
    BF16 = 30,
    F64 = 28,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    IQ4_NL = 20,
    IQ4_XS = 23,
    MXFP4 = 39,

    Q8_1 = 9,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ3_S = 21,
    IQ2_S = 22,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    IQ1_M = 29,
    TQ1_0 = 34,
    TQ2_0 = 35,
    NVFP4 = 40,
    Q1_0 = 41,
}

/// Every type with its name, the elements of a block and the block's bytes (`GGML_QUANT_SIZES` of gguf-py).
#[rustfmt::skip]
const TABLE: [(TensorType, &str, usize, usize); 34] = {
    use TensorType::*;
    [
        (F32, "F32", 1, 4),
        (F16, "F16", 1, 2),
        (BF16, "BF16", 1, 2),
        (F64, "F64", 1, 8),
        (Q4_0, "Q4_0", 32, 2 + 16),
        (Q4_1, "Q4_1", 32, 2 + 2 + 16),
        (Q5_0, "Q5_0", 32, 2 + 4 + 16),
        (Q5_1, "Q5_1", 32, 2 + 2 + 4 + 16),
        (Q8_0, "Q8_0", 32, 2 + 32),
        (Q2_K, "Q2_K", 256, 16 + 64 + 2 + 2),
        (Q3_K, "Q3_K", 256, 32 + 64 + 12 + 2),
        (Q4_K, "Q4_K", 256, 2 + 2 + 12 + 128),
        (Q5_K, "Q5_K", 256, 2 + 2 + 12 + 32 + 128),
        (Q6_K, "Q6_K", 256, 128 + 64 + 16 + 2),
        (IQ4_NL, "IQ4_NL", 32, 2 + 16),
        (IQ4_XS, "IQ4_XS", 256, 2 + 2 + 4 + 128),
        (MXFP4, "MXFP4", 32, 1 + 16),
        (Q8_1, "Q8_1", 32, 4 + 4 + 32),
        (Q8_K, "Q8_K", 256, 4 + 256 + 32),
        (IQ2_XXS, "IQ2_XXS", 256, 2 + 64),
        (IQ2_XS, "IQ2_XS", 256, 2 + 64 + 8),
        (IQ3_XXS, "IQ3_XXS", 256, 2 + 64 + 32),
        (IQ1_S, "IQ1_S", 256, 2 + 32 + 16),
        (IQ3_S, "IQ3_S", 256, 2 + 64 + 32 + 8 + 4),
        (IQ2_S, "IQ2_S", 256, 2 + 64 + 16),
        (I8, "I8", 1, 1),
        (I16, "I16", 1, 2),
        (I32, "I32", 1, 4),
        (I64, "I64", 1, 8),
        (IQ1_M, "IQ1_M", 256, 32 + 16 + 8),
        (TQ1_0, "TQ1_0", 256, 2 + 4 * 13),
        (TQ2_0, "TQ2_0", 256, 2 + 64),
        (NVFP4, "NVFP4", 64, 4 + 32),
        (Q1_0, "Q1_0", 128, 2 + 16),
    ]
};

impl TensorType {
    /// All types.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(tensor_type, ..)| *tensor_type)
    }

    /// The type's name, as in `Q4_K`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Elements of a block; a row is a whole number of blocks.
    pub fn block_elements(self) -> usize {
        self.row().2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Self::all().find(|it| it.code() == code)
    }

    pub(crate) fn code(self) -> u32 {
        self as u32
    }

    fn row(self) -> &'static (Self, &'static str, usize, usize) {
        TABLE.iter().find(|(it, ..)| *it == self).expect("the table has every type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_stands_in_the_table_under_its_name_and_code() {
        for tensor_type in TensorType::all() {
            assert_eq!(format!("{tensor_type:?}"), tensor_type.name());
            assert_eq!(TensorType::from_code(tensor_type.code()), Some(tensor_type));
            assert!(tensor_type.block_elements() > 0 && tensor_type.block_bytes() > 0);
        }
        assert_eq!([4, 5, 31, 38, 42, u32::MAX].map(TensorType::from_code), [None; 6]);
    }
}
