//! The closed-form gradient of the chunked cross-entropy, by finite differences and against Burn's own tape.

use burn::tensor::{Device, Distribution, Int, Tensor, activation::log_softmax};
use hearth_model::{CrossEntropy, IGNORED};
use hearth_wgsl::each_device;

const POSITIONS: usize = 7;
const WIDTH: usize = 5;
const VOCABULARY: usize = 11;
const SCALE: f64 = 0.25;

struct Problem {
    hidden: Tensor<2>,
    output: Tensor<2>,
    targets: Tensor<1, Int>,
}

fn problem(device: &Device) -> Problem {
    let range = Distribution::Uniform(-1.5, 1.5);
    let targets = [3, IGNORED, 10, 0, IGNORED, 7, 3];
    Problem {
        hidden: Tensor::random([POSITIONS, WIDTH], range, device),
        output: Tensor::random([VOCABULARY, WIDTH], range, device),
        targets: Tensor::from_ints(targets, device),
    }
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// The matrix in two shards of unequal size.
fn shards(output: Tensor<2>) -> Vec<Tensor<2>> {
    vec![output.clone().narrow(0, 0, 4), output.narrow(0, 4, VOCABULARY - 4)]
}

/// All shards of a matrix.
fn whole(shards: Vec<Tensor<2>>) -> Vec<f32> {
    values(Tensor::cat(shards, 0))
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "[{index}]: {found} is not {expected}");
    }
}

/// Central differences of `loss` in each element of `x`.
fn differences(x: Tensor<2>, device: &Device, loss: impl Fn(Tensor<2>) -> f32) -> Vec<f32> {
    const STEP: f32 = 1e-2;
    let (shape, host) = (x.dims(), values(x));
    let at = |index: usize, by: f32| {
        let mut moved = host.clone();
        moved[index] += by;
        loss(Tensor::<1>::from_floats(moved.as_slice(), device).reshape(shape))
    };
    (0..host.len()).map(|index| (at(index, STEP) - at(index, -STEP)) / (2.0 * STEP)).collect()
}

each_device! {
    /// In the middle of a graph: the stream is squashed before the loss, and the loss is scaled after it.
    fn gradients_by_finite_differences(device) {
        let Problem { hidden, output, targets } = problem(&device);
        for (logit_softcap, z_loss) in [(None, 0.0), (Some(2.0), 0.0), (None, 0.05), (Some(2.0), 0.05)] {
            let options = CrossEntropy { logit_softcap, z_loss, chunk: 3 };
            let loss = |hidden: Tensor<2>, output: Tensor<2>| {
                values(options.loss(hidden.tanh(), &shards(output), targets.clone()))[0] * SCALE as f32
            };
            let squashed = hidden.clone().tanh();
            let found = options.loss_and_gradients(squashed.clone(), &shards(output.clone()), targets.clone(), SCALE);
            let hidden_gradient = values(found.hidden * (-squashed.square() + 1.0));
            let expected = differences(hidden.clone(), &device, |hidden| loss(hidden, output.clone()));
            assert_close(&hidden_gradient, &expected, 2e-3);
            let expected = differences(output.clone(), &device, |output| loss(hidden.clone(), output));
            assert_close(&whole(found.output), &expected, 2e-3);
        }
    }
}

each_device! {
    fn every_chunk_size_gives_the_same(device) {
        let Problem { hidden, output, targets } = problem(&device);
        let with_chunk = |chunk: usize| {
            let options = CrossEntropy { chunk, z_loss: 0.01, ..CrossEntropy::new(VOCABULARY) };
            let alone = values(options.loss(hidden.clone(), &shards(output.clone()), targets.clone()));
            let found = options.loss_and_gradients(hidden.clone(), &shards(output.clone()), targets.clone(), SCALE);
            assert_eq!(values(found.loss), alone);
            [alone, values(found.hidden), whole(found.output)]
        };
        let whole = with_chunk(POSITIONS);
        for chunk in [1, 2, 3, 6, 100] {
            for (found, expected) in with_chunk(chunk).iter().zip(&whole) {
                assert_close(found, expected, 2e-6);
            }
        }
    }
}

each_device! {
    /// Against Burn's log-softmax and its tape, on the positions that count.
    fn equals_the_tape(device) {
        let Problem { hidden, output, .. } = problem(&device);
        let targets = [3, 2, 10, 0, 9, 7, 3];
        let found = CrossEntropy::new(VOCABULARY).loss_and_gradients(
            hidden.clone(), &shards(output.clone()), Tensor::from_ints(targets, &device), 1.0,
        );
        let (hidden, output) = (hidden.autodiff().require_grad(), output.autodiff().require_grad());
        let log_probabilities = log_softmax(hidden.clone().matmul(output.clone().transpose()), 1);
        let picked = targets.iter().enumerate().map(|(row, target)| {
            log_probabilities.clone().narrow(0, row, 1).narrow(1, *target as usize, 1).reshape([1])
        });
        let loss = -picked.reduce(Tensor::add).unwrap();
        assert_close(&values(found.loss), &values(loss.clone()), 1e-5);
        let gradients = loss.backward();
        assert_close(&values(found.hidden), &values(hidden.grad(&gradients).unwrap()), 1e-5);
        assert_close(&whole(found.output), &values(output.grad(&gradients).unwrap()), 1e-5);
    }
}

#[test]
fn nothing_counts_and_nothing_is_nan() {
    let device = Device::flex();
    let Problem { hidden, output, .. } = problem(&device);
    let targets = Tensor::from_ints([IGNORED; POSITIONS], &device);
    let found = CrossEntropy::new(VOCABULARY).loss_and_gradients(hidden, &shards(output), targets, 1.0);
    assert_eq!(values(found.loss), [0.0]);
    assert!(values(found.hidden).iter().chain(&whole(found.output)).all(|value| *value == 0.0));
}
