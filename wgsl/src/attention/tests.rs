use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

use super::{AttentionOptions, attention, reference, runs_kernel};
use crate::{
    each_device,
    testing::{gradient_by_differences, skipped, uniform, wgpu_device},
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// Every value within `tolerance` of the largest.
fn close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * largest, "{what} [{at}]: {found} is not {expected}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

struct Case {
    b: usize,
    t: usize,
    s: usize,
    heads: [usize; 2],
    d: usize,
    documents: bool,
    options: AttentionOptions,
}

/// The result and the three gradients, of `sum(w * attention(q, k, v))`.
fn run(
    case: &Case,
    device: &Device,
    operation: impl Fn([Tensor<4>; 3], Option<Tensor<2, Int>>) -> Tensor<4>,
) -> [Vec<f32>; 4] {
    let &Case { b, t, s, heads: [h, kv], d, documents, .. } = case;
    let wave = |shape: [usize; 4], seed: usize| {
        let count = shape.iter().product();
        // Values that f16 holds exactly.
        let value = |at: usize| (((at * 7919 + seed * 104_729) % 1009) as f32 - 504.0) * 3.0 / 1024.0;
        Tensor::<4>::from_data(TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape), device)
    };
    let leaves = [wave([b, t, h, d], 1), wave([b, s, kv, d], 2), wave([b, s, kv, d], 3)];
    let leaves = leaves.map(|x| x.autodiff().require_grad());
    let documents = documents.then(|| {
        let ids: Vec<i32> = (0..b * s).map(|at| ((at % s) * 3 / s + at / s) as i32).collect();
        Tensor::from_data(TensorData::new(ids, [b, s]), device)
    });
    let y = operation(leaves.clone(), documents);
    let gradients = (y.clone() * wave([b, t, h, d], 4)).sum().backward();
    let [dq, dk, dv] = leaves.map(|x| values(x.grad(&gradients).expect("a gradient")));
    [values(y.inner()), dq, dk, dv]
}

each_device! {
    /// Against the plain operations on the CPU: odd lengths, head widths, shared keys, windows smaller than a tile,
    /// documents, a soft-cap, keys from before.
    fn equals_the_reference(device) {
        let plain = AttentionOptions::default();
        let case = |b, t, heads, d| Case { b, t, s: t, heads, d, documents: false, options: plain };
        let cases = [
            case(1, 1, [1, 1], 32),
            case(2, 7, [2, 1], 64),
            case(1, 257, [1, 1], 32),
            case(1, 65, [6, 2], 80),
            case(2, 33, [2, 2], 128),
            case(1, 40, [1, 1], 4),
            // The widths of real heads, each a variant of its own; T is no multiple of a tile, keys are shared.
            case(1, 5, [2, 1], 64),
            case(1, 5, [2, 1], 96),
            case(2, 3, [2, 1], 112),
            case(1, 35, [2, 1], 112),
            case(1, 5, [2, 1], 128),
            case(1, 3, [1, 1], 256),
            Case { documents: true, ..case(2, 100, [4, 2], 32) },
            Case { options: AttentionOptions { window: Some(5), ..plain }, ..case(1, 150, [2, 1], 32) },
            Case { options: AttentionOptions { window: Some(100), ..plain }, ..case(1, 257, [1, 1], 8) },
            Case { options: AttentionOptions { softcap: Some(2.0), ..plain }, ..case(1, 70, [2, 2], 32) },
            Case {
                s: 90,
                documents: true,
                options: AttentionOptions { start: 50, window: Some(33), softcap: Some(5.0) },
                ..case(2, 40, [2, 1], 32)
            },
            // Widths that are no multiple of a vector, and blocks of queries that are not full.
            case(1, 1, [3, 1], 5),
            case(2, 9, [3, 1], 5),
            case(1, 3, [1, 1], 1),
            case(1, 129, [2, 1], 5),
            Case { s: 9, options: AttentionOptions { start: 8, ..plain }, ..case(2, 1, [4, 2], 5) },
            Case { options: AttentionOptions { window: Some(1), ..plain }, ..case(1, 70, [1, 1], 6) },
            Case { documents: true, options: AttentionOptions { window: Some(9), ..plain }, ..case(2, 130, [3, 1], 7) },
            Case {
                s: 290,
                documents: true,
                options: AttentionOptions { start: 100, window: Some(70), softcap: Some(1.0) },
                ..case(1, 150, [6, 2], 20)
            },
        ];
        for case in cases {
            let &Case { b, t, s, heads, d, documents, options } = &case;
            let what = format!("B {b} T {t} S {s} H, K {heads:?} D {d} documents {documents} {options:?}");
            let found = run(&case, &device, |[q, k, v], documents| attention(q, k, v, documents, options));
            let expected = run(&case, &Device::flex(), |[q, k, v], documents| reference(q, k, v, None, documents, options));
            for ((found, expected), name) in found.iter().zip(&expected).zip(["y", "dq", "dk", "dv"]) {
                close(found, expected, 1e-5, &format!("{what}: {name}"));
            }
            let again = run(&case, &device, |[q, k, v], documents| attention(q, k, v, documents, options));
            assert_eq!(found, again, "{what}: two runs, two results");
        }
    }
}

each_device! {
    /// In the middle of a graph: the rows of a matrix as queries, keys and values of one head.
    fn gradient_by_finite_differences(device) {
        let options = AttentionOptions { softcap: Some(3.0), window: Some(3), ..AttentionOptions::default() };
        let other = uniform([1, 5, 1, 4], -1.0..1.0, 3, &device);
        let rows = |x: Tensor<2>| x.reshape([1, 5, 1, 4]);
        let all = |q, k, v| attention(q, k, v, None, options).reshape([5, 4]);
        gradient_by_differences([5, 4], &device, |x| all(rows(x), other.clone(), other.clone()));
        gradient_by_differences([5, 4], &device, |x| all(other.clone(), rows(x), other.clone()));
        gradient_by_differences([5, 4], &device, |x| all(other.clone(), other.clone(), rows(x)));
        gradient_by_differences([5, 4], &device, |x| all(rows(x.clone()), rows(x.clone()), rows(x)));
    }
}

/// Stored in f16, the result and the gradients, for widths of real heads: against the plain operations in f32 on the CPU,
/// from the same values, which f16 holds exactly.
#[test]
fn equals_the_reference_stored_in_f16() {
    let Some(device) = wgpu_device() else { return };
    let head = Tensor::zeros([1, 1, 1, 64], &device);
    if !(device.supports_dtype(FloatDType::F16) && runs_kernel(&head, &head)) {
        skipped("the adapter does not store f16, or the kernels are off");
        return;
    }
    let options = AttentionOptions::default();
    for d in [64, 96, 112, 128] {
        let case = Case { b: 1, t: 5, s: 5, heads: [2, 1], d, documents: false, options };
        let half = |[q, k, v]: [Tensor<4>; 3], documents| {
            let [q, k, v] = [q, k, v].map(|x| x.cast(FloatDType::F16));
            attention(q, k, v, documents, options).cast(FloatDType::F32)
        };
        let found = run(&case, &device, half);
        let expected = run(&case, &Device::flex(), |[q, k, v], documents| reference(q, k, v, None, documents, options));
        for ((found, expected), name) in found.iter().zip(&expected).zip(["y", "dq", "dk", "dv"]) {
            close(found, expected, 2e-3, &format!("D {d}: {name}"));
        }
    }
}

each_device! {
    /// Where the device has f16 the plain operations take it too, as the kernels do.
    fn half_is_taken_without_the_kernels(device) {
        if device.supports_dtype(FloatDType::F16) {
            let x = || uniform([1, 5, 1, 6], -1.0..1.0, 4, &device);
            let half = || x().cast(FloatDType::F16);
            let found = attention(half(), half(), half(), None, AttentionOptions::default());
            assert_eq!(found.dtype(), half().dtype());
            let expected = attention(x(), x(), x(), None, AttentionOptions::default());
            close(&values(found.cast(FloatDType::F32)), &values(expected), 5e-3, "f16");
        }
    }
}

each_device! {
    /// As many keys as there are, and more than any kernel can count.
    fn a_window_over_all_keys_is_none(device) {
        let case = Case { b: 1, t: 40, s: 40, heads: [1, 1], d: 8, documents: false, options: AttentionOptions::default() };
        let with = |window: Option<usize>| {
            let options = AttentionOptions { window, ..case.options };
            run(&case, &device, |[q, k, v], documents| attention(q, k, v, documents, options))
        };
        let all = with(None);
        for window in [40, 41, u32::MAX as usize - 3, u32::MAX as usize, u32::MAX as usize + 2, usize::MAX] {
            assert_eq!(with(Some(window)), all, "window {window}");
        }
        assert_ne!(with(Some(39)), all);
    }
}

#[test]
#[should_panic(expected = "queries 3 .. 5 have 4 keys")]
fn a_query_without_a_key_is_refused() {
    let x = |t| Tensor::<4>::zeros([1, t, 1, 4], &Device::flex());
    attention(x(2), x(4), x(4), None, AttentionOptions { start: 3, ..AttentionOptions::default() });
}

/// A row of queries that are not finite: the others are as they would be, on the CPU, which promises infinities.
#[test]
fn what_is_not_finite_stays_in_its_row() {
    let device = Device::flex();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for softcap in [None, Some(2.0)] {
            let case = Case {
                b: 1,
                t: 7,
                s: 7,
                heads: [2, 1],
                d: 5,
                documents: false,
                options: AttentionOptions { softcap, ..AttentionOptions::default() },
            };
            let spoilt = |q: Tensor<4>| {
                let row = Tensor::<4>::full([1, 1, 2, 5], bad, &device);
                Tensor::cat(vec![q.clone().narrow(1, 0, 3), row.autodiff(), q.narrow(1, 4, 3)], 1)
            };
            let found = run(&case, &device, |[q, k, v], _| attention(spoilt(q), k, v, None, case.options));
            let expected = run(&case, &device, |[q, k, v], _| reference(spoilt(q), k, v, None, None, case.options));
            for ((found, expected), name) in found.iter().zip(&expected).zip(["y", "dq", "dk", "dv"]) {
                for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let same = (found - expected).abs() < 1e-5 || found.is_nan() && expected.is_nan();
                    assert!(same, "{bad}, soft-cap {softcap:?}: {name} [{at}]: {found} is not {expected}");
                }
            }
        }
    }
}

/// Work is cut by shapes alone.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let options = AttentionOptions { window: Some(100), ..AttentionOptions::default() };
    let case = Case { b: 2, t: 150, s: 150, heads: [4, 2], d: 20, documents: true, options };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| run(&case, &Device::flex(), |[q, k, v], documents| attention(q, k, v, documents, options)))
    };
    let one = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(with(threads), one, "{threads} threads");
    }
}

each_device! {
    /// Recomputation depends on it.
    fn a_tape_changes_no_bit(device) {
        let x = uniform([2, 70, 4, 20], -2.0..2.0, 5, &device);
        let with = |x: Tensor<4>| attention(x.clone(), x.clone(), x, None, AttentionOptions::default());
        assert_eq!(values(with(x.clone().autodiff().require_grad()).inner()), values(with(x)));
    }
}

/// Queries, keys and values that are parts of one product, and time behind the heads: taken where they lie.
#[test]
fn strides_serve() {
    let device = Device::flex();
    let whole = uniform([2, 33, 3 * 4, 20], -2.0..2.0, 6, &device);
    let options = AttentionOptions::default();
    let parts = |x: Tensor<4>| [0, 4, 8].map(|at| x.clone().narrow(2, at, 4));
    let [q, k, v] = parts(whole.clone());
    let found = values(attention(q, k, v, None, options));
    let [q, k, v] = parts(whole.clone()).map(|x| x.swap_dims(1, 2).mul_scalar(1.0).swap_dims(1, 2));
    assert_eq!(found, values(attention(q, k, v, None, options)));
    let [q, k, v] = parts(whole);
    close(&found, &values(reference(q, k, v, None, None, options)), 1e-5, "strides");
}
