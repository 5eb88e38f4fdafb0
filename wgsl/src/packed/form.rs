//! The forms that a frozen matrix is stored in, and where its words lie.

use std::fmt;

use burn::tensor::DType;

/// How the numbers of a frozen matrix are stored.
///
/// Numbers of a block stand below one another, along the input axis, as in GGUF's tensors: with the block's head, where the form
/// has one, for each column. The error is that of normally distributed weights, by the root of its mean square, in parts of that of
/// the weights (measured in this crate's tests).
///
/// | form | bits a number | a block's head | error |
/// | --- | --- | --- | --- |
/// | `F16` | 16 | none | 0.0002 |
/// | `Bf16` | 16 | none | 0.0017 |
/// | `Q8` | 9 | scale in f32, of 32 | 0.005 |
/// | `Q4` | 5 | scale and minimum in f16, of 32 | 0.078 |
/// | `Nf4` | 4.5 | largest magnitude in f32, of 64 | 0.092 |
///
/// Of the forms in 4 bits `Q4` has the smaller error, and what a GGUF file has in Q4_1 it stores without any; `Nf4` is a tenth smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackedForm {
    /// IEEE's half precision: numbers up to 65,504.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// 8 bits, `scale code`: GGUF's Q8_0, which it holds exactly, with the scale in f32.
    Q8,
    /// 4 bits, `scale code + minimum`: GGUF's Q4_1, which it holds exactly. Numbers up to 65,504.
    Q4,
    /// 4 bits, codes of the quantiles of a normal distribution: NormalFloat of Dettmers et al., "QLoRA", 2023 (arXiv 2305.14314),
    /// section 3 and appendix E, without quantisation of the scales.
    Nf4,
}

impl PackedForm {
    /// All forms.
    pub const ALL: [Self; 5] = [Self::F16, Self::Bf16, Self::Q8, Self::Q4, Self::Nf4];

    /// The form's name in configurations and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
            Self::Nf4 => "nf4",
        }
    }

    /// Bytes that a matrix `[in, out]` takes; where that is more than a machine can count to, the most that it can.
    ///
    /// ```
    /// use hearth_wgsl::PackedForm;
    ///
    /// assert_eq!(PackedForm::Q8.bytes([64, 10]), 64 * 10 * 9 / 8);
    /// // The last block of a column takes the place of a whole one.
    /// assert_eq!(PackedForm::Q8.bytes([33, 10]), PackedForm::Q8.bytes([64, 10]));
    /// ```
    pub fn bytes(self, shape: [usize; 2]) -> usize {
        self.words(shape).saturating_mul(size_of::<u32>())
    }

    /// Bytes that a number takes where the blocks are full: what [`PackedForm::bytes`] comes to for an `in` that is a multiple of 64.
    pub fn bytes_per_element(self) -> f64 {
        self.bytes([64, 1]) as f64 / 64.0
    }

    /// Words of a matrix `[in, out]`.
    pub(crate) fn words(self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.block()).saturating_mul(self.word_rows()).saturating_mul(columns)
    }

    /// Numbers of a block.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::Q8 | Self::Q4 => 32,
            Self::Nf4 => 64,
        }
    }

    /// Numbers in a word.
    pub(crate) fn per_word(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::Q8 => 4,
            Self::Q4 | Self::Nf4 => 8,
        }
    }

    /// Bits of a number in a word.
    pub(crate) fn bits(self) -> usize {
        32 / self.per_word()
    }

    /// Rows of words that a block's head takes: 1 or none.
    pub(crate) fn head_rows(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 0,
            Self::Q8 | Self::Q4 | Self::Nf4 => 1,
        }
    }

    /// Rows of words of a block: its head, and its numbers.
    pub(crate) fn word_rows(self) -> usize {
        self.head_rows() + self.block() / self.per_word()
    }

    /// The largest magnitude that it stores.
    pub(crate) fn largest(self) -> f32 {
        match self {
            Self::F16 | Self::Q4 => half::f16::MAX.to_f32(),
            Self::Bf16 => half::bf16::MAX.to_f32(),
            Self::Q8 | Self::Nf4 => f32::MAX,
        }
    }
}

impl fmt::Display for PackedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The codes of [`PackedForm::Nf4`], in parts of the largest magnitude; in `nf4.wgsl` too.
#[expect(clippy::excessive_precision, reason = "as the authors' code has them")]
pub(crate) const NF4: [f32; 16] = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
];

/// What the words of a matrix are, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// The form of the numbers.
    pub form: PackedForm,
    /// `[in, out]`.
    pub shape: [usize; 2],
    /// The dtype that they are unpacked to.
    pub dtype: DType,
    /// Whether a kernel unpacks them; else the reference.
    pub by_kernel: bool,
    /// Whether kernels of this crate multiply by them; else Burn's.
    pub products: bool,
}
