//! The CPU kernel: a task for some rows of words, a loop over the columns for each of a word's numbers.

use burn::{
    backend::{
        Flex,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};

use super::{
    PackedForm, PackedKernels, PackedOps,
    backward::forward,
    form::{NF4, Packing},
    reference::reference,
};
use crate::cpu::{ELEMENTS, each, new, values_mut, vectorized};

vectorized! {
    /// Unpacks a row of words, `y` `[numbers in a word or fewer, columns]`; `heads` are those of its blocks, if they have some.
    fn unpack(simd: S, form: PackedForm, heads: &'a [i32], words: &'a [i32], y: &'a mut [f32]) -> () {
        let _ = simd;
        match form {
            PackedForm::F16 => fill(words, words, y, |word, part, _| half_number(word as u32 >> (16 * part) & 0xffff)),
            PackedForm::Bf16 => fill(words, words, y, |word, part, _| f32::from_bits((word as u32 >> (16 * part)) << 16)),
            PackedForm::Q8 => fill(heads, words, y, |word, part, head| {
                (word << (24 - 8 * part) >> 24) as f32 * f32::from_bits(head as u32)
            }),
            PackedForm::Q4 => fill(heads, words, y, |word, part, head| {
                // The product is exact, so that a sum in one rounding is the same.
                let code = (word >> (4 * part) & 15) as f32;
                code * half_number(head as u32 & 0xffff) + half_number(head as u32 >> 16)
            }),
            PackedForm::Nf4 => fill(heads, words, y, |word, part, head| {
                NF4[(word >> (4 * part) & 15) as usize] * f32::from_bits(head as u32)
            }),
        }
    }
}

/// Writes the number of each word that is the row's, by its head.
#[inline(always)]
fn fill(heads: &[i32], words: &[i32], y: &mut [f32], number: impl Fn(i32, usize, i32) -> f32) {
    for (part, y) in y.chunks_mut(words.len()).enumerate() {
        for ((y, word), head) in y.iter_mut().zip(words).zip(heads) {
            *y = number(*word, part, *head);
        }
    }
}

/// The number whose bits as f16 these are, by integers alone, for vectors.
#[inline(always)]
fn half_number(bits: u32) -> f32 {
    let (exponent, mantissa) = (bits >> 10 & 31, bits & 1023);
    // Rebiased from 15 to 127; of exponent 0 are multiples of 2^-24, of 31 what is no number.
    let normal = f32::from_bits((exponent + if exponent == 31 { 224 } else { 112 }) << 23 | mantissa << 13);
    let small = mantissa as f32 * (1.0 / (1 << 24) as f32);
    let magnitude = if exponent == 0 { small } else { normal };
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

impl PackedKernels for Flex {
    fn unpack_words(words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self> {
        let Packing { form, shape: [rows, columns], by_kernel, .. } = packing;
        if !by_kernel {
            return reference::<Self>(words, packing);
        }
        let words = if words.as_slice::<i32>().is_some() { words } else { words.to_contiguous() };
        let words: &[i32] = words.as_slice().expect("contiguous words");
        let mut y = new(Shape::new([rows, columns]));
        let of_word = form.per_word() * columns;
        let of_block = form.word_rows() - form.head_rows();
        let together = (ELEMENTS / of_word).max(1);
        each(values_mut(&mut y).chunks_mut(together * of_word).collect(), |number, y: &mut [f32]| {
            for (at, y) in y.chunks_mut(of_word).enumerate() {
                let row = number * together + at;
                let block = &words[row / of_block * form.word_rows() * columns..];
                let of_row = &block[(form.head_rows() + row % of_block) * columns..][..columns];
                unpack(form, &block[..columns], of_row, y);
            }
        });
        y
    }
}

impl PackedOps for Flex {
    fn linear_packed(x: FloatTensor<Self>, words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self> {
        forward::<Self>(x, words, None, packing)
    }

    fn linear_packed_shifted(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        bias: FloatTensor<Self>,
        packing: Packing,
    ) -> FloatTensor<Self> {
        forward::<Self>(x, words, Some(bias), packing)
    }
}
