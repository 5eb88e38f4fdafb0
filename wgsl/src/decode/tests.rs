use burn::tensor::{Device, Tensor};

use super::*;
use crate::{
    AttentionOptions, NormOptions, attention, attention_with_sinks, gelu, linear, norm, relu_squared, rotate, swiglu,
    testing::uniform,
};

fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    uniform(shape, -1.0..1.0, seed, &Device::flex())
}

fn host<const D: usize>(x: &Tensor<D>) -> HostValues {
    HostValues::of(x.clone()).expect("a tensor on the CPU")
}

fn assert_close<const D: usize>(found: &[f32], expected: Tensor<D>) {
    let expected = host(&expected);
    assert!(found.len() == expected.len() && !found.is_empty());
    let size = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(&*expected) {
        assert!((found - expected).abs() <= 1e-5 * size, "{found} is not {expected}");
    }
}

/// Rows and columns that are multiples of no vector, single ones, and matrices that all threads share.
#[test]
fn products_are_those_of_tensors() {
    for [c, f] in [[1, 1], [7, 5], [8, 16], [19, 67], [128, 512], [600, 1000]] {
        let (x, weights, bias) = (random([1, c], 1), [2, 3].map(|seed| random([c, f], seed)), random([f], 4));
        let (of_weights, of_bias) = (weights.each_ref().map(host), host(&bias));
        let mut y = [vec![9.0; f], vec![9.0; f]];
        let [first, second] = &mut y;
        let shifted = Product { weight: &of_weights[0], bias: Some(&of_bias), y: first };
        multiply(&host(&x), [shifted, Product { weight: &of_weights[1], bias: None, y: second }]);
        assert_close(&y[0], linear(x.clone(), weights[0].clone(), Some(bias)));
        assert_close(&y[1], linear(x.clone(), weights[1].clone(), None));
        let mut logits = vec![9.0; f];
        let by_token = host(&weights[0].clone().transpose());
        multiply_rows(&host(&x), &by_token, &mut logits);
        assert_close(&logits, linear(x, weights[0].clone(), None));
    }
}

#[test]
fn a_product_has_the_same_bits_on_any_number_of_threads() {
    let (x, weight) = (random([700], 1), random([700, 1001], 2));
    let (x, weight) = (host(&x), host(&weight));
    crate::cpu::same_in_all_pools(|| {
        let mut y = vec![0.0; 2002];
        let (of_columns, of_rows) = y.split_at_mut(1001);
        multiply(&x, [Product { weight: &weight, bias: None, y: of_columns }]);
        multiply_rows(&x, &weight, of_rows);
        y
    });
}

#[test]
fn single_rows_are_those_of_tensors() {
    for width in [1, 12, 67] {
        let [x, other] = [random([1, width], 1) * 4, random([1, width], 2)];
        let [gamma, beta] = [3, 4].map(|seed| random([width], seed));
        for (centred, shift) in [(false, None), (true, None), (true, Some(beta))] {
            let options = NormOptions { centred, eps: 1e-5 };
            let mut y = vec![9.0; width];
            let of_shift = shift.as_ref().map(host);
            norm_row(&host(&x), &host(&gamma), of_shift.as_deref(), options, &mut y);
            assert_close(&y, norm(x.clone(), gamma.clone(), shift, options));
        }
        let mut up = host(&other).to_vec();
        swiglu_in_place(&host(&x), &mut up);
        assert_close(&up, swiglu(x.clone(), other));
        let mut y = host(&x).to_vec();
        gelu_in_place(&mut y);
        assert_close(&y, gelu(x.clone()));
        let mut y = host(&x).to_vec();
        relu_squared_in_place(&mut y);
        assert_close(&y, relu_squared(x.clone()));
        let mut y = host(&x).to_vec();
        softcap_in_place(&mut y, 1.5);
        assert_close(&y, (x / 1.5).tanh() * 1.5);
    }
}

#[test]
fn heads_turn_as_those_of_tensors() {
    let (q, [cosines, sines]) = (random([1, 1, 3, 10], 1), [2, 3].map(|seed| random([1, 1, 5], seed)));
    for interleaved in [false, true] {
        let mut heads = host(&q).to_vec();
        rotate_in_place(&mut heads, &host(&cosines), &host(&sines), interleaved);
        let (turned, _) = rotate(q.clone(), q.clone(), cosines.clone(), sines.clone(), interleaved);
        assert_close(&heads, turned);
    }
}

/// Positions one by one and as a piece, grouped heads, windows shorter and longer than what there is, and so many positions that
/// all threads share the heads.
#[test]
fn attention_is_that_of_tensors() {
    for ([h, k, d], s) in [([4, 2, 7], 9), ([3, 3, 16], 1), ([8, 1, 64], 700)] {
        let (q, [keys, values]) = (random([1, 1, h, d], 1) * 3, [2, 3].map(|seed| random([1, s, k, d], seed)));
        for before in [0, s / 2] {
            let mut cache = KeyValueCache::new(k, d, s);
            // What was there before leaves nothing.
            (0..s).for_each(|_| cache.push(&vec![9.0; k * d], &vec![9.0; k * d]));
            cache.clear();
            let piece = |x: &Tensor<4>| x.clone().narrow(1, 0, before);
            assert!(before == 0 || cache.extend(piece(&keys), piece(&values)));
            let of_position = |x: &Tensor<4>, at: usize| host(&x.clone().narrow(1, at, 1)).to_vec();
            (before..s).for_each(|at| cache.push(&of_position(&keys, at), &of_position(&values, at)));
            for (window, softcap) in
                [(None, None), (Some(1), None), (Some(5), Some(1.5)), (Some(s + 1), None), (None, Some(0.5))]
            {
                let mut y = vec![9.0; h * d];
                let options = CacheOptions { window, softcap, sinks: None };
                cache.attend(&host(&q), options, &mut vec![1.0; 3], &mut y);
                let options = AttentionOptions { start: s - 1, window, softcap };
                assert_close(&y, attention(q.clone(), keys.clone(), values.clone(), None, options));
                let sinks = random([h], 5) * 2;
                let of_sinks = host(&sinks);
                let with_sinks = CacheOptions { window, softcap, sinks: Some(&of_sinks) };
                cache.attend(&host(&q), with_sinks, &mut Vec::new(), &mut y);
                let [k, v] = [&keys, &values].map(Tensor::clone);
                assert_close(&y, attention_with_sinks(q.clone(), k, v, sinks, None, options));
            }
        }
    }
}

#[test]
fn only_plain_numbers_of_the_cpu_are_taken() {
    let x = random([3, 4], 1);
    assert_eq!(&*host(&x.clone().transpose()), x.clone().transpose().into_data().as_slice::<f32>().unwrap());
    assert!(HostValues::of(x.clone().autodiff()).is_none());
    assert!(HostValues::of(x.clone().cast(burn::tensor::DType::F64)).is_none());
    assert!(crate::without_kernels(|| HostValues::of(x)).is_none());
}

#[test]
#[should_panic(expected = "decode: a cache of 1 positions is full")]
fn a_full_cache_takes_no_more() {
    let mut cache = KeyValueCache::new(1, 2, 1);
    (0..2).for_each(|_| cache.push(&[0.0; 2], &[0.0; 2]));
}
