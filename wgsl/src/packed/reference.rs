//! Unpacking in plain Burn operations: numbers from their bits by tables of powers of two, exact but for numbers that are not normal.

use burn::{
    backend::{
        Backend, TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Shape, Slice, TensorData},
};

use super::{
    PackedForm,
    form::{NF4, Packing},
};

/// The matrix `[in, out]` of words.
pub fn reference<B: Backend>(words: IntTensor<B>, packing: Packing) -> FloatTensor<B> {
    let Packing { form, shape: [rows, columns], dtype, .. } = packing;
    let (blocks, word_rows) = (rows.div_ceil(form.block()), form.word_rows());
    let words = B::int_reshape(words, Shape::new([blocks, word_rows, columns]));
    let of_rows = |from: usize, to: usize| {
        let slices = [0..blocks, from..to, 0..columns].map(Slice::from);
        B::int_slice(words.clone(), &slices)
    };
    let codes = codes::<B>(of_rows(form.head_rows(), word_rows), form, [blocks, columns]);
    let head = || of_rows(0, 1);
    let numbers = match form {
        PackedForm::F16 => number::<B>(codes, Format::F16),
        PackedForm::Bf16 => number::<B>(codes, Format::BF16),
        PackedForm::Q8 => {
            // Bit 7 is the sign.
            let codes = B::int_sub_scalar(B::bitwise_xor_scalar(codes, 128.into()), 128.into());
            B::float_mul(B::int_into_float(codes, DType::F32.into()), number::<B>(head(), Format::F32))
        }
        PackedForm::Q4 => {
            let (scale, minimum) = (number::<B>(head(), Format::F16), bits::<B>(head(), 16, 16));
            let scaled = B::float_mul(B::int_into_float(codes, DType::F32.into()), scale);
            B::float_add(scaled, number::<B>(minimum, Format::F16))
        }
        PackedForm::Nf4 => B::float_mul(looked_up::<B>(codes, NF4.into()), number::<B>(head(), Format::F32)),
    };
    let numbers = B::float_reshape(numbers, Shape::new([blocks * form.block(), columns]));
    let numbers = B::float_slice(numbers, &[0..rows, 0..columns].map(Slice::from));
    B::float_cast(numbers, dtype.into())
}

/// Codes `[blocks, block, columns]` of words `[blocks, rows of words, columns]`.
fn codes<B: Backend>(words: IntTensor<B>, form: PackedForm, [blocks, columns]: [usize; 2]) -> IntTensor<B> {
    let by_part = Shape::new([blocks, form.block() / form.per_word(), 1, columns]);
    let part = |part: usize| {
        let codes = bits::<B>(words.clone(), part * form.bits(), form.bits());
        B::int_reshape(codes, by_part.clone())
    };
    let parts = B::int_cat((0..form.per_word()).map(part).collect(), 2);
    B::int_reshape(parts, Shape::new([blocks, form.block(), columns]))
}

/// The bits of words from `first` on, `count` of them.
fn bits<B: Backend>(words: IntTensor<B>, first: usize, count: usize) -> IntTensor<B> {
    let words = B::bitwise_right_shift_scalar(words, (first as i32).into());
    B::bitwise_and_scalar(words, ((1i32 << count) - 1).into())
}

/// Bits of the parts of a float, which it has behind its sign.
#[derive(Clone, Copy)]
struct Format {
    exponent: usize,
    mantissa: usize,
}

impl Format {
    const F16: Self = Self { exponent: 5, mantissa: 10 };
    const BF16: Self = Self { exponent: 8, mantissa: 7 };
    const F32: Self = Self { exponent: 8, mantissa: 23 };
}

/// The finite numbers whose bits are the lowest of words.
fn number<B: Backend>(words: IntTensor<B>, format: Format) -> FloatTensor<B> {
    let Format { exponent, mantissa } = format;
    let exponents = bits::<B>(words.clone(), mantissa, exponent);
    let bias = (1 << (exponent - 1)) - 1;
    // Of exponent 0 are the numbers below the least power, whose first digit is 0.
    let powers = (0..1i32 << exponent).map(|exponent| 2f64.powi(exponent.max(1) - bias) as f32).collect();
    let firsts = (0..1i32 << exponent).map(|exponent| if exponent == 0 { 0.0 } else { 1.0 }).collect();
    let digits = B::int_into_float(bits::<B>(words.clone(), 0, mantissa), DType::F32.into());
    let digits = B::float_mul_scalar(digits, 2f32.powi(-(mantissa as i32)).into());
    let magnitude = B::float_add(digits, looked_up::<B>(exponents.clone(), firsts));
    let magnitude = B::float_mul(magnitude, looked_up::<B>(exponents, powers));
    let signs = bits::<B>(words, mantissa + exponent, 1);
    B::float_mul(magnitude, looked_up::<B>(signs, vec![1.0, -1.0]))
}

/// The numbers of a table at each index.
fn looked_up<B: Backend>(indices: IntTensor<B>, table: Vec<f32>) -> FloatTensor<B> {
    let shape = indices.shape();
    let table = TensorData::new(table.clone(), [table.len()]);
    let table = B::float_from_data(table, &indices.device());
    let indices = B::int_reshape(indices, Shape::new([shape.num_elements()]));
    B::float_reshape(B::float_select(table, 0, indices), shape)
}
