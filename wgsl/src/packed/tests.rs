use burn::tensor::{Device, FloatDType, Int, Tensor};
use half::{bf16, f16};

use super::{PackError, PackedForm, PackedMatrix, fits, form::NF4, linear_packed, pack::packed};
use crate::{
    Key,
    cpu::same_in_all_pools,
    each_device, linear,
    testing::{each_product, gradient_by_differences, uniform},
    without_kernels,
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().iter().collect()
}

fn bits<const D: usize>(x: Tensor<D>) -> Vec<u32> {
    values(x).into_iter().map(f32::to_bits).collect()
}

/// Normally distributed, of deviation 1.
fn normal(count: usize) -> Vec<f32> {
    let value = |at: usize| {
        let [radius, angle] = Key::new(7).bits([at as u32, 0]).map(|word| (f64::from(word) + 0.5) / 2f64.powi(32));
        ((-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()) as f32
    };
    (0..count).map(value).collect()
}

/// The number of each row and column, one after the other.
fn decoded(words: &[i32], [rows, columns]: [usize; 2], form: PackedForm) -> Vec<f32> {
    let half = |bits: u32| f16::from_bits(bits as u16).to_f32();
    let number = |at: usize| {
        let (row, column) = (at / columns, at % columns);
        let (block, place) = (row / form.block(), row % form.block());
        let word = |row: usize| words[(block * form.word_rows() + row) * columns + column] as u32;
        let code = word(form.head_rows() + place / form.per_word()) >> (place % form.per_word() * form.bits());
        match form {
            PackedForm::F16 => half(code),
            PackedForm::Bf16 => bf16::from_bits(code as u16).to_f32(),
            PackedForm::Q8 => f32::from(code as u8 as i8) * f32::from_bits(word(0)),
            PackedForm::Q4 => (code & 15) as f32 * half(word(0)) + half(word(0) >> 16),
            PackedForm::Nf4 => NF4[code as usize & 15] * f32::from_bits(word(0)),
        }
    };
    (0..rows * columns).map(number).collect()
}

/// Columns of normal values, and some of zeros, of one value, of tiny ones, of ones far from zero and of very different ones.
fn columns_of_all_kinds([rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut all = normal(rows * columns);
    for (at, value) in all.iter_mut().enumerate() {
        match at % columns {
            1 => *value = 0.0,
            2 => *value = -0.25,
            3 => *value *= 1e-6,
            4 => *value += 100.0,
            5 if at / columns % 7 == 3 => *value = -6e4,
            6 => *value = -0.0,
            _ => {}
        }
    }
    all
}

each_device! {
    /// The kernels, the reference, and one number after the other on the host: the same bits. Blocks that are full and that are not.
    fn every_form_is_unpacked_to_the_bit(device) {
        for form in PackedForm::ALL {
            for shape in [[1, 1], [2, 3], [7, 9], [31, 8], [33, 7], [64, 300], [129, 257], [320, 64]] {
                let all = columns_of_all_kinds(shape);
                let expected: Vec<u32> = decoded(&packed(&all, shape, form).unwrap(), shape, form).into_iter().map(f32::to_bits).collect();
                let matrix = PackedMatrix::pack(&all, shape, form, &device).unwrap();
                assert!(bits(matrix.unpack()) == expected, "{form} {shape:?}");
                assert!(without_kernels(|| bits(matrix.unpack())) == expected, "{form} {shape:?}, by the reference");
            }
        }
    }
}

each_device! {
    /// The largest matrix that a software adapter binds.
    fn more_workgroups_than_one_dimension_has(device) {
        let shape = [2, 1 << 24];
        let all: Vec<f32> = (0..shape[0] * shape[1]).map(|at| (at % 2039) as f32).collect();
        let matrix = PackedMatrix::pack(&all, shape, PackedForm::F16, &device).unwrap();
        assert!(values(matrix.unpack()) == all);
    }
}

/// The error of normally distributed weights, by the root of its mean square and at most, in parts of the weights' deviation;
/// with that of GGUF's Q4_0 to compare with.
#[test]
fn errors_are_those_of_the_table() {
    let shape = [1024, 256];
    let all = normal(shape[0] * shape[1]);
    let errors = |found: &[f32]| {
        let errors = found.iter().zip(&all).map(|(found, value)| (f64::from(*found) - f64::from(*value)).abs());
        let (sum, most) = errors.fold((0.0, 0f64), |(sum, most), error| (sum + error * error, most.max(error)));
        [(sum / all.len() as f64).sqrt(), most]
    };
    let table = [
        (PackedForm::F16, 16.0, [0.000_21, 0.002]),
        (PackedForm::Bf16, 16.0, [0.001_66, 0.016]),
        (PackedForm::Q8, 9.0, [0.005_3, 0.02]),
        (PackedForm::Q4, 5.0, [0.078, 0.28]),
        (PackedForm::Nf4, 4.5, [0.092, 0.75]),
    ];
    for (form, size, [mean, most]) in table {
        let found = errors(&decoded(&packed(&all, shape, form).unwrap(), shape, form));
        println!("{form:5} {size:5} bits, error {:.5}, at most {:.4}", found[0], found[1]);
        assert!((found[0] / mean - 1.0).abs() < 0.05 && found[1] <= most, "{form}: {found:?}");
        assert_eq!(form.bytes_per_element() * 8.0, size);
        assert_eq!(form.bytes(shape) * 8, (shape[0] * shape[1]) * (2.0 * size) as usize / 2);
    }
    // GGUF's Q4_0, of 4.5 bits.
    let mut found = all.clone();
    for block in 0..all.len() / 32 {
        let at = |row: usize| (block / shape[1] * 32 + row) * shape[1] + block % shape[1];
        let largest = (0..32)
            .map(|row| all[at(row)])
            .fold(0f32, |most, value| if value.abs() > most.abs() { value } else { most });
        let scale = largest / -8.0;
        (0..32).for_each(|row| found[at(row)] = ((all[at(row)] / scale + 8.5).floor().clamp(0.0, 15.0) - 8.0) * scale);
    }
    let [mean, _] = errors(&found);
    assert!((0.083..0.090).contains(&mean), "{mean}");
}

/// A value is off by half a step at most.
#[test]
fn no_value_is_off_by_more_than_half_a_step() {
    let shape = [320, 64];
    for form in PackedForm::ALL {
        let all = columns_of_all_kinds(shape);
        let found = decoded(&packed(&all, shape, form).unwrap(), shape, form);
        for (at, (found, value)) in found.iter().zip(&all).enumerate() {
            let block = at / shape[1] / form.block() * form.block();
            let of_block = (block..(block + form.block()).min(shape[0])).map(|row| all[row * shape[1] + at % shape[1]]);
            let (least, most) =
                of_block.fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(value), most.max(value)));
            let magnitude = most.max(-least);
            let half_a_step = match form {
                PackedForm::F16 => 2f32.powi(-11) * value.abs() + 2f32.powi(-25),
                PackedForm::Bf16 => 2f32.powi(-8) * value.abs(),
                PackedForm::Q8 => magnitude / 254.0,
                // And what scale and minimum lose as f16.
                PackedForm::Q4 => (most - least) / 30.0 + 2f32.powi(-10) * magnitude + 2f32.powi(-21),
                PackedForm::Nf4 => 0.152 * magnitude,
            };
            assert!((found - value).abs() <= 1.0001 * half_a_step, "{form} [{at}]: {found} is not {value}");
        }
    }
}

/// What GGUF files have in Q8_0 and in Q4_1, whose scales and minima are in f16.
#[test]
fn blocks_of_gguf_are_held_exactly() {
    let shape = [96, 50];
    let number = |at: usize| {
        let (row, column) = (at / shape[1], at % shape[1]);
        let block = row / 32 * shape[1] + column;
        let half = |value: f32| f16::from_f32(value).to_f32();
        (
            row % 32,
            half(0.001 + block as f32 * 1e-5),
            half(-0.2 + block as f32 * 1e-3),
            Key::new(1).bits([at as u32, 0])[0],
        )
    };
    let q8: Vec<f32> = (0..shape[0] * shape[1])
        .map(|at| match number(at) {
            (0, scale, ..) => -127.0 * scale,
            (_, scale, _, word) => scale * ((word % 255) as f32 - 127.0),
        })
        .collect();
    let q4: Vec<f32> = (0..shape[0] * shape[1])
        .map(|at| match number(at) {
            (0, _, minimum, _) => minimum,
            (1, scale, minimum, _) => scale * 15.0 + minimum,
            (_, scale, minimum, word) => scale * (word % 16) as f32 + minimum,
        })
        .collect();
    for (all, form) in [(q8, PackedForm::Q8), (q4, PackedForm::Q4)] {
        assert!(decoded(&packed(&all, shape, form).unwrap(), shape, form) == all, "{form}");
    }
}

each_product! {
    /// Values, and the gradients of input and bias.
    fn products_have_the_bits_of_those_with_the_unpacked_weight(device) {
        for form in PackedForm::ALL {
            for [rows, c, f] in [[1, 1, 1], [5, 33, 7], [6, 96, 40]] {
                let matrix = PackedMatrix::pack(&normal(c * f), [c, f], form, &device).unwrap();
                let bias = uniform::<1>([f], -1.0..1.0, 3, &device);
                let factor = uniform::<3>([2, rows, f], -1.0..1.0, 4, &device);
                let run = |is_packed: bool, has_bias: bool| {
                    let x = uniform::<3>([2, rows, c], -1.0..1.0, 2, &device).autodiff().require_grad();
                    let bias = has_bias.then(|| bias.clone().autodiff().require_grad());
                    let y = match is_packed {
                        true => linear_packed(x.clone(), &matrix, bias.clone()),
                        false => linear(x.clone(), Tensor::from_inner(matrix.unpack()), bias.clone()),
                    };
                    let gradients = (y.clone() * Tensor::from_inner(factor.clone())).sum().backward();
                    let of_bias = bias.map(|bias| bits(bias.grad(&gradients).unwrap()));
                    (bits(y.inner()), bits(x.grad(&gradients).unwrap()), of_bias)
                };
                for has_bias in [false, true] {
                    assert!(run(true, has_bias) == run(false, has_bias), "{form} {:?}", [rows, c, f]);
                }
                // Without a tape.
                let x = uniform::<3>([2, rows, c], -1.0..1.0, 2, &device);
                let found = linear_packed(x.clone(), &matrix, Some(bias.clone()));
                assert_eq!(bits(found), bits(linear(x, matrix.unpack(), Some(bias))));
            }
        }
    }
}

each_product! {
    fn gradients_by_finite_differences(device) {
        for form in PackedForm::ALL {
            let matrix = PackedMatrix::pack(&normal(7 * 7), [7, 7], form, &device).unwrap();
            let bias = uniform::<1>([7], -1.0..1.0, 4, &device);
            gradient_by_differences([3, 7], &device, |x| linear_packed(x, &matrix, Some(bias.clone())));
            gradient_by_differences([1, 7], &device, |x| linear_packed(x, &matrix, None));
            let x = uniform([1, 7], -1.0..1.0, 5, &device);
            gradient_by_differences([1, 7], &device, |bias| linear_packed(x.clone(), &matrix, Some(bias.squeeze_dim(0))));
        }
    }
}

each_device! {
    /// A weight for activations in f16, where the device has them; without the kernels too.
    fn products_are_in_the_dtype_of_the_input(device) {
        if !device.supports_dtype(FloatDType::F16) {
            return;
        }
        for form in PackedForm::ALL {
            let matrix = PackedMatrix::pack(&normal(40 * 9), [40, 9], form, &device).unwrap();
            let x = uniform::<2>([3, 40], -1.0..1.0, 1, &device);
            let expected = values(linear(x.clone(), matrix.unpack(), None));
            let compare = || {
                let x = x.clone().cast(FloatDType::F16).autodiff().require_grad();
                let y = linear_packed(x.clone(), &matrix, None);
                assert_eq!(y.dtype(), x.dtype());
                let gradients = y.clone().sum().backward();
                assert_eq!(x.grad(&gradients).unwrap().dtype(), x.dtype());
                for (found, expected) in values(y.inner()).iter().zip(&expected) {
                    assert!((found - expected).abs() < 0.03, "{form}: {found} is not {expected}");
                }
            };
            compare();
            without_kernels(compare);
        }
    }
}

each_device! {
    fn words_are_stored_and_moved(device) {
        for form in PackedForm::ALL {
            let shape = [70, 6];
            let matrix = PackedMatrix::pack(&normal(70 * 6), shape, form, &Device::flex()).unwrap();
            let words = matrix.words();
            assert_eq!(words.dims()[0] * 4, matrix.bytes());
            let stored: Vec<i32> = words.clone().into_data().iter().collect();
            let again = Tensor::<1, Int>::from_ints(stored.as_slice(), &device);
            let again = PackedMatrix::from_words(again, shape, form).unwrap();
            let moved = matrix.to_device(&device.clone().autodiff()).unwrap();
            assert!(moved.device() == device && again.device() == device);
            let expected = bits(matrix.unpack());
            assert!(bits(again.unpack()) == expected && bits(moved.unpack()) == expected, "{form}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let shape = [300, 129];
    let all = normal(shape[0] * shape[1]);
    for form in PackedForm::ALL {
        same_in_all_pools(|| values(PackedMatrix::pack(&all, shape, form, &Device::flex()).unwrap().unpack()));
    }
}

#[test]
fn what_cannot_be_packed_is_named() {
    let device = Device::flex();
    let refused =
        |values: &[f32], shape, form| PackedMatrix::pack(values, shape, form, &device).unwrap_err().to_string();
    let mut all = vec![0.5; 70 * 3];
    assert_eq!(
        refused(&[], [0, 3], PackedForm::Q8),
        "a matrix [0, 3]: one that is packed has a row and a column at least"
    );
    assert_eq!(refused(&all, [70, 4], PackedForm::Q4), "210 values for a matrix [70, 4] in q4, which has 280");
    let vast = [usize::MAX, usize::MAX];
    assert_eq!(
        refused(&all, vast, PackedForm::F16),
        format!("210 values for a matrix {vast:?} in f16, which has {}", usize::MAX)
    );
    all[66 * 3 + 1] = f32::NAN;
    for form in PackedForm::ALL {
        let rest = format!("{form} stores numbers of magnitudes up to {:e}", form.largest());
        assert_eq!(refused(&all, [70, 3], form), format!("NaN in row 66, column 1 of a matrix: {rest}"));
    }
    all[66 * 3 + 1] = -7e4;
    let message = "-7e4 in row 66, column 1 of a matrix: f16 stores numbers of magnitudes up to 6.5504e4";
    assert_eq!(refused(&all, [70, 3], PackedForm::F16), message);
    assert!(PackedMatrix::pack(&all, [70, 3], PackedForm::Nf4, &device).is_ok());

    let words = PackedMatrix::pack(&[1.0; 64], [32, 2], PackedForm::Q8, &device).unwrap().words();
    let short = PackedMatrix::from_words(words.clone(), [33, 2], PackedForm::Q8).unwrap_err();
    assert_eq!(short.to_string(), "18 words for a matrix [33, 2] in q8, which has 36");
    assert!(matches!(PackedMatrix::from_words(words, [32, 0], PackedForm::Q8), Err(PackError::Empty { .. })));

    let large = fits([1000, 1000], PackedForm::Nf4, Some(3_999_999)).unwrap_err().to_string();
    let message = "a matrix [1000, 1000] in nf4 needs a buffer of 4000000 bytes to be multiplied with, and those of the device hold \
                   3999999 at most: split it, or leave it on the CPU";
    assert_eq!(large, message);
    assert!(fits([1000, 1000], PackedForm::Nf4, Some(4_000_000)).is_ok());
    assert!(fits(vast, PackedForm::Nf4, Some(u64::MAX - 1)).is_err());
}
