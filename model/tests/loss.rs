//! The closed-form gradient of the chunked cross-entropy, by finite differences and against Burn's own tape.

use burn::tensor::{Device, Int, Tensor, activation::log_softmax};
use hearth_model::CrossEntropy;
use hearth_wgsl::{each_device, testing::uniform};

const POSITIONS: usize = 7;
const WIDTH: usize = 5;
const VOCABULARY: usize = 11;
const SCALE: f64 = 0.25;
/// Two targets that do not count; the second is PyTorch's.
const IGNORED: [i32; 2] = [-1, -100];

struct Problem {
    hidden: Tensor<2>,
    output: Tensor<2>,
    targets: Tensor<1, Int>,
}

fn problem(device: &Device) -> Problem {
    let targets = [3, IGNORED[0], 10, 0, IGNORED[1], 7, 3];
    Problem {
        hidden: uniform([POSITIONS, WIDTH], -1.5..1.5, 1, device),
        output: uniform([VOCABULARY, WIDTH], -1.5..1.5, 2, device),
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

/// As differences in f32 with two points allow: to a thousandth of each value and of the largest.
fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = (1e-3 * (expected.abs() + largest)).min(2e-3);
        assert!((found - expected).abs() <= tolerance, "[{index}]: {found} is not {expected} of {largest}");
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
                let found = options.loss_and_gradients(hidden.tanh(), &shards(output), targets.clone(), SCALE);
                values(found.loss)[0] * SCALE as f32
            };
            let squashed = hidden.clone().tanh();
            let found = options.loss_and_gradients(squashed.clone(), &shards(output.clone()), targets.clone(), SCALE);
            let hidden_gradient = values(found.hidden * (-squashed.square() + 1.0));
            let expected = differences(hidden.clone(), &device, |hidden| loss(hidden, output.clone()));
            assert_near(&hidden_gradient, &expected);
            let expected = differences(output.clone(), &device, |output| loss(hidden.clone(), output));
            assert_near(&whole(found.output), &expected);
        }
    }
}

each_device! {
    fn every_chunk_size_gives_the_same(device) {
        let Problem { hidden, output, targets } = problem(&device);
        let with_chunk = |chunk: usize| {
            let options = CrossEntropy { chunk, z_loss: 0.01, ..CrossEntropy::new(VOCABULARY) };
            let found = options.loss_and_gradients(hidden.clone(), &shards(output.clone()), targets.clone(), SCALE);
            [values(found.loss), values(found.hidden), whole(found.output)]
        };
        let whole = with_chunk(POSITIONS);
        for chunk in [1, 2, 3, 6, 100] {
            for (found, expected) in with_chunk(chunk).iter().zip(&whole) {
                // The loss is over 20, where one step of f32 is 1.9e-6 already: chunks are summed in another order.
                let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                assert_close(found, expected, 2e-6 + 2.0 * f32::EPSILON * largest);
            }
        }
    }
}

/// Of each position that counts, in f64 on the host as PyTorch defines them: the negative log-likelihood
/// (`cross_entropy`, summed), and the squared log-normaliser.
fn in_f64(problem: &Problem) -> (f64, f64) {
    let (hidden, output) = (values(problem.hidden.clone()), values(problem.output.clone()));
    let targets: Vec<i64> = problem.targets.clone().into_data().iter().collect();
    let counted = hidden.chunks(WIDTH).zip(targets).filter(|(_, target)| *target >= 0);
    let each = counted.map(|(hidden, target)| {
        let product = |row: &[f32]| row.iter().zip(hidden).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        let logits: Vec<f64> = output.chunks(WIDTH).map(product).collect();
        let log_normaliser = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        (log_normaliser - logits[target as usize], log_normaliser.powi(2))
    });
    each.fold((0.0, 0.0), |sums, (likelihood, square)| (sums.0 + likelihood, sums.1 + square))
}

each_device! {
    /// Evaluation is in nats of the text whatever steadied the training; training has the z-term.
    fn only_training_has_the_z_term(device) {
        let problem = problem(&device);
        let (likelihood, squares) = in_f64(&problem);
        let Problem { hidden, output, targets } = problem;
        for z_loss in [0.0, 0.05] {
            let options = CrossEntropy { z_loss, ..CrossEntropy::new(VOCABULARY) };
            let evaluated = values(options.loss(hidden.clone(), &shards(output.clone()), targets.clone()))[0];
            let trained =
                options.loss_and_gradients(hidden.clone(), &shards(output.clone()), targets.clone(), SCALE).loss;
            assert_close(&[evaluated], &[likelihood as f32], 2e-5);
            assert_close(&values(trained), &[(likelihood + z_loss * squares) as f32], 2e-5);
        }
    }
}

#[test]
#[should_panic(expected = "loss: hidden [7, 5], targets [6]: must have a target a position")]
fn targets_of_another_count_are_refused() {
    let Problem { hidden, output, targets } = problem(&Device::flex());
    CrossEntropy::new(VOCABULARY).loss(hidden, &shards(output), targets.narrow(0, 0, 6));
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
    let targets = Tensor::from_ints([IGNORED[1]; POSITIONS], &device);
    let found = CrossEntropy::new(VOCABULARY).loss_and_gradients(hidden, &shards(output), targets, 1.0);
    assert_eq!(values(found.loss), [0.0]);
    assert!(values(found.hidden).iter().chain(&whole(found.output)).all(|value| *value == 0.0));
}
