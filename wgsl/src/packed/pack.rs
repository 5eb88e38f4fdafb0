//! Packing, on the host and all cores: a task for each row of blocks.

use half::{bf16, f16};

use super::{PackError, PackedForm, form::NF4};
use crate::cpu::{each, vectorized};

/// The words of a matrix `[in, out]`: for each row of blocks a row of their heads, if they have heads, and rows of numbers, each word
/// the numbers of one column, the first row's in its lowest bits.
pub fn packed(values: &[f32], shape: [usize; 2], form: PackedForm) -> Result<Vec<i32>, PackError> {
    let [rows, columns] = shape;
    if rows == 0 || columns == 0 {
        return Err(PackError::Empty { shape });
    }
    if rows.checked_mul(columns) != Some(values.len()) {
        let expected = rows.saturating_mul(columns);
        return Err(PackError::Length { what: "values", found: values.len(), expected, shape, form });
    }
    let mut words = vec![0; form.words(shape)];
    let mut fit = vec![false; rows.div_ceil(form.block())];
    let blocks = values.chunks(form.block() * columns);
    let tasks = blocks.zip(words.chunks_mut(form.word_rows() * columns)).zip(&mut fit).collect();
    each(tasks, |_, ((values, words), fit): ((&[f32], &mut [i32]), &mut bool)| {
        *fit = all_within(values, form.largest());
        if *fit {
            pack_blocks(form, columns, values, words);
        }
    });
    let misfit = |value: &f32| value.is_nan() || value.abs() > form.largest();
    match fit.contains(&false).then(|| values.iter().position(misfit)).flatten() {
        Some(at) => Err(PackError::Value { value: values[at], row: at / columns, column: at % columns, form }),
        None => Ok(words),
    }
}

vectorized! {
    fn all_within(simd: S, values: &'a [f32], largest: f32) -> bool {
        let _ = simd;
        let mut outside = 0u32;
        for value in values {
            outside |= u32::from(value.is_nan() || value.abs() > largest);
        }
        outside == 0
    }

    /// Packs a row of blocks.
    fn pack_blocks(simd: S, form: PackedForm, columns: usize, values: &'a [f32], words: &'a mut [i32]) -> () {
        let _ = simd;
        let (heads, words) = words.split_at_mut(form.head_rows() * columns);
        let rows = Rows { form, columns, values };
        match form {
            PackedForm::F16 => rows.pack(words, &vec![[0.0; 2]; columns], |value, _| f16::from_f32(value).to_bits().into()),
            PackedForm::Bf16 => rows.pack(words, &vec![[0.0; 2]; columns], |value, _| bf16::from_f32(value).to_bits().into()),
            PackedForm::Q8 => {
                let scales = rows.magnitudes(127.0);
                rows.pack(words, &scales, |value, [scale, _]| nearest(over(value, scale)) & 255);
                write(heads, &scales);
            }
            PackedForm::Q4 => {
                let ranges = rows.ranges();
                rows.pack(words, &ranges, |value, [scale, minimum]| nearest(over(value - minimum, scale).clamp(0.0, 15.0)) & 15);
                for (head, range) in heads.iter_mut().zip(&ranges) {
                    let [scale, minimum] = range.map(|number| u32::from(f16::from_f32(number).to_bits()));
                    *head = (scale | minimum << 16) as i32;
                }
            }
            PackedForm::Nf4 => {
                let scales = rows.magnitudes(1.0);
                rows.pack(words, &scales, |value, [scale, _]| normal(over(value, scale)));
                write(heads, &scales);
            }
        }
    }
}

/// The values of a row of blocks.
struct Rows<'a> {
    form: PackedForm,
    columns: usize,
    values: &'a [f32],
}

impl Rows<'_> {
    /// Writes the code of each value, which is given what its column has in `heads`.
    #[inline(always)]
    fn pack(&self, words: &mut [i32], heads: &[[f32; 2]], code: impl Fn(f32, [f32; 2]) -> u32) {
        let (per_word, bits) = (self.form.per_word(), self.form.bits());
        for (row, values) in self.values.chunks(self.columns).enumerate() {
            let words = &mut words[row / per_word * self.columns..][..self.columns];
            let shift = row % per_word * bits;
            for ((word, value), head) in words.iter_mut().zip(values).zip(heads) {
                *word |= (code(*value, *head) << shift) as i32;
            }
        }
    }

    /// A `steps`-th of the largest magnitude of each column, and nothing; 0 where that is no normal number.
    #[inline(always)]
    fn magnitudes(&self, steps: f32) -> Vec<[f32; 2]> {
        let mut found = vec![[0f32; 2]; self.columns];
        for values in self.values.chunks(self.columns) {
            for ([largest, _], value) in found.iter_mut().zip(values) {
                *largest = largest.max(value.abs());
            }
        }
        for [largest, _] in &mut found {
            let scale = *largest / steps;
            *largest = if scale < f32::MIN_POSITIVE { 0.0 } else { scale };
        }
        found
    }

    /// The scale and the minimum of each column, as f16 has them.
    #[inline(always)]
    fn ranges(&self) -> Vec<[f32; 2]> {
        let mut found = vec![[f32::NEG_INFINITY, f32::INFINITY]; self.columns];
        for values in self.values.chunks(self.columns) {
            for ([largest, least], value) in found.iter_mut().zip(values) {
                *largest = largest.max(*value);
                *least = least.min(*value);
            }
        }
        for range in &mut found {
            let [largest, least] = *range;
            *range = [(largest - least) / 15.0, least].map(|number| f16::from_f32(number).to_f32());
        }
        found
    }
}

/// Writes scales as words.
#[inline(always)]
fn write(heads: &mut [i32], scales: &[[f32; 2]]) {
    for (head, [scale, _]) in heads.iter_mut().zip(scales) {
        *head = scale.to_bits() as i32;
    }
}

/// `value / scale`, and 0 where the scale is.
#[inline(always)]
fn over(value: f32, scale: f32) -> f32 {
    if scale > 0.0 { value / scale } else { 0.0 }
}

/// The nearest whole number in two's complement, of numbers below `2^22`: added to a number whose last bit is worth 1.
#[inline(always)]
fn nearest(value: f32) -> u32 {
    (value + 12_582_912.0).to_bits()
}

/// The nearest of the codes of [`NF4`].
#[inline(always)]
fn normal(value: f32) -> u32 {
    let mut code = 0;
    for pair in NF4.windows(2) {
        code += u32::from(value > 0.5 * (pair[0] + pair[1]));
    }
    code
}
