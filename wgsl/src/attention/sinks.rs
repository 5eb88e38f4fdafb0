//! Sinks: a logit a head that takes its share of the softmax and has no value (Xiao et al. 2023, arXiv 2309.17453; learned in
//! gpt-oss, arXiv 2508.10925).
//!
//! No kernel knows of them. Of the softmax over a row's scores, whose log-sum-exp is `lse`, a sink leaves
//! `gate = sigmoid(lse - sink)`: the result is `gate y` and the log-sum-exp, of the sink too, `lse - ln gate`. The backward
//! kernels make weights from scores and log-sum-exp and take `delta = sum(dy y)` off their gradients, so that given these two
//! they give the gradients under sinks. The sink's own weight is `exp(sink - lse)` with the new `lse`, its value nothing, and
//! its gradient so `-exp(sink - lse) delta`, summed over rows.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{DType, FloatDType, Shape},
};

/// The result `[B, T, H, D]` and the log-sum-exp `[B, T, H]` under sinks `[H]`, given those without; all f32 but the sinks.
pub fn under_sinks<B: Backend>(
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
    sinks: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [b, t, h] = lse.shape().dims();
    // -ln gate = ln(1 + exp(sink - lse)).
    let taken = B::float_log1p(B::float_exp(B::float_sub(of_rows::<B>(sinks), lse.clone())));
    let gate = B::float_reshape(B::float_exp(B::float_neg(taken.clone())), Shape::new([b, t, h, 1]));
    (B::float_mul(y, gate), B::float_add(lse, taken))
}

/// The gradient of sinks `[H]`, given what [`under_sinks`] gave and the gradient of its result.
pub fn gradient<B: Backend>(
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
    sinks: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> FloatTensor<B> {
    let ([b, t, h], dtype) = (lse.shape().dims(), sinks.dtype());
    let delta = B::float_sum_dim(B::float_mul(B::float_cast(dy, FloatDType::F32), y), 3);
    let weights = B::float_exp(B::float_sub(of_rows::<B>(sinks), lse));
    let shares = B::float_mul(weights, B::float_reshape(delta, Shape::new([b, t, h])));
    let sum = B::float_sum_dim(B::float_reshape(shares, Shape::new([b * t, h])), 0);
    B::float_cast(B::float_reshape(B::float_neg(sum), Shape::new([h])), dtype.into())
}

/// As rows `[1, 1, H]`, in f32.
fn of_rows<B: Backend>(sinks: FloatTensor<B>) -> FloatTensor<B> {
    let shape = Shape::new([1, 1, sinks.shape()[0]]);
    let sinks = if sinks.dtype() == DType::F32 { sinks } else { B::float_cast(sinks, FloatDType::F32) };
    B::float_reshape(sinks, shape)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

    use super::super::{AttentionOptions, attention, attention_weights, attention_with_sinks, reference::reference};
    use crate::{
        each_device,
        testing::{gradient_by_differences, uniform},
    };

    type Operation = fn([Tensor<4>; 3], Tensor<1>, Option<Tensor<2, Int>>, AttentionOptions) -> Tensor<4>;

    /// Queries and keys, heads and their groups, channels, whether there are documents.
    type Case = ([usize; 2], [usize; 2], usize, bool, AttentionOptions);

    /// The result and the gradients of queries, keys, values and sinks, of `sum(w * operation(..))`; two rows.
    fn run(([t, s], [h, kv], d, documents, options): Case, device: &Device, operation: Operation) -> [Vec<f32>; 5] {
        let values = |x: Tensor<4>| x.into_data().iter().collect::<Vec<f32>>();
        let random = |shape: [usize; 4], seed| uniform(shape, -1.5..1.5, seed, device);
        let leaves = [[2, t, h, d], [2, s, kv, d], [2, s, kv, d], [1, 1, 1, h]];
        let mut seed = 0;
        let leaves = leaves.map(|shape| {
            seed += 1;
            random(shape, seed).autodiff().require_grad()
        });
        let ids = |at: usize| ((at % s) * 3 / s + at / s) as i32;
        let documents = documents
            .then(|| Tensor::from_data(TensorData::new((0..2 * s).map(ids).collect::<Vec<i32>>(), [2, s]), device));
        let [q, k, v, sinks] = leaves.clone();
        let y = operation([q, k, v], (sinks * 2.0).reshape([h]), documents, options);
        let gradients = (y.clone() * random([2, t, h, d], 9)).sum().backward();
        let [dq, dk, dv, dsinks] = leaves.map(|x| values(x.grad(&gradients).expect("a gradient")));
        [values(y.inner()), dq, dk, dv, dsinks]
    }

    each_device! {
        /// Against the plain operations on the CPU: shared keys, documents, windows, a soft-cap, keys from before.
        fn equals_the_reference(device) {
            let plain = AttentionOptions::default();
            let cases: [Case; 6] = [
                ([1, 1], [1, 1], 4, false, plain),
                ([7, 7], [4, 2], 8, false, plain),
                ([70, 70], [2, 1], 32, true, plain),
                ([65, 65], [2, 2], 20, false, AttentionOptions { window: Some(5), ..plain }),
                ([40, 90], [4, 2], 32, true, AttentionOptions { start: 50, window: Some(33), softcap: Some(2.0) }),
                ([9, 9], [3, 1], 5, false, AttentionOptions { softcap: Some(1.0), ..plain }),
            ];
            for case in cases {
                let kernel: Operation = |[q, k, v], sinks, documents, options| {
                    attention_with_sinks(q, k, v, sinks, documents, options)
                };
                let plain: Operation = |[q, k, v], sinks, documents, options| {
                    reference(q, k, v, Some(sinks), documents, options)
                };
                let (found, expected) = (run(case, &device, kernel), run(case, &Device::flex(), plain));
                for ((found, expected), name) in found.iter().zip(&expected).zip(["y", "dq", "dk", "dv", "dsinks"]) {
                    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(expected) {
                        let off = (found - expected).abs() / largest;
                        assert!(off <= 1e-5, "{case:?}: {name}: {found} is not {expected}, off by {off:e}");
                    }
                }
                assert_eq!(found, run(case, &device, kernel), "{case:?}: two runs, two results");
            }
        }
    }

    each_device! {
        /// In the middle of a graph.
        fn gradient_by_finite_differences(device) {
            let options = AttentionOptions { softcap: Some(3.0), window: Some(3), ..AttentionOptions::default() };
            let other = uniform([1, 5, 2, 4], -1.0..1.0, 3, &device);
            let with = |q, k, v, sinks: Tensor<2>| attention_with_sinks(q, k, v, sinks.reshape([2]), None, options);
            let sinks = uniform([1, 2], -1.0..1.0, 4, &device);
            let heads = |x: Tensor<2>| x.reshape([1, 5, 2, 4]);
            gradient_by_differences([1, 2], &device, |x| {
                let y = with(other.clone(), other.clone(), other.clone(), x);
                (y * uniform([1, 5, 2, 4], -1.0..1.0, 6, &device)).sum_dim(1).sum_dim(3).reshape([1, 2])
            });
            let rows = |y: Tensor<4>| y.reshape([5, 8]);
            gradient_by_differences([5, 8], &device, |x| {
                rows(with(heads(x), other.clone(), other.clone(), sinks.clone()))
            });
            gradient_by_differences([5, 8], &device, |x| {
                let sinks = x.clone().narrow(0, 0, 1).narrow(1, 0, 2);
                rows(with(heads(x.clone()), heads(x.clone()), heads(x), sinks))
            });
        }
    }

    each_device! {
        /// Recomputation depends on it. Sinks far below all scores take nothing, far above them all.
        fn a_tape_changes_no_bit(device) {
            let x = uniform([2, 70, 4, 20], -2.0..2.0, 5, &device);
            let options = AttentionOptions::default();
            let values = |x: Tensor<4>| x.into_data().iter().collect::<Vec<f32>>();
            let with = |x: Tensor<4>, sink: f32| {
                let sinks = Tensor::full([4], sink, &device);
                attention_with_sinks(x.clone(), x.clone(), x, sinks, None, options)
            };
            assert_eq!(values(with(x.clone().autodiff().require_grad(), 0.5).inner()), values(with(x.clone(), 0.5)));
            assert_eq!(values(with(x.clone(), -200.0)), values(attention(x.clone(), x.clone(), x.clone(), None, options)));
            assert!(values(with(x.clone(), 200.0)).iter().all(|y| *y == 0.0));
            let weights = attention_weights(x.clone(), x, Some(Tensor::full([4], 0.5, &device)), None, options);
            assert!(values(weights.sum_dim(3)).iter().all(|sum| *sum > 0.0 && *sum < 1.0));
        }
    }

    each_device! {
        /// Where the device stores f16.
        fn half_is_taken(device) {
            if device.supports_dtype(FloatDType::F16) {
                let x = uniform([1, 5, 2, 64], -1.0..1.0, 4, &device);
                let of = |x: Tensor<4>| {
                    let sinks = x.clone().narrow(1, 0, 1).narrow(3, 0, 1).reshape([2]);
                    let y = attention_with_sinks(x.clone(), x.clone(), x, sinks, None, AttentionOptions::default());
                    y.cast(FloatDType::F32)
                };
                let with = |dtype| {
                    let leaf = x.clone().autodiff().require_grad();
                    let y = of(leaf.clone().cast(dtype));
                    let gradients = y.clone().sum().backward();
                    [y.inner(), leaf.grad(&gradients).expect("a gradient")].map(|x| x.into_data())
                };
                for (half, full) in with(FloatDType::F16).iter().zip(&with(FloatDType::F32)) {
                    for (half, full) in half.iter::<f32>().zip(full.iter::<f32>()) {
                        assert!((half - full).abs() < 2e-2, "{half} is not {full}");
                    }
                }
            }
        }
    }
}
