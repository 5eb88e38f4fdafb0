//! Muon: momentum whose singular values are made equal.

use burn::tensor::Tensor;
use hearth_model::KernelSet;
use hearth_wgsl::add_squares;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::optim::{ParameterUpdate, Rule, StateShape};

/// Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): the update of a matrix is its momentum with all singular
/// values made about 1. For matrices between embedding and head; of a parameter with more axes the last two are matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// Share of the momentum that an update keeps; 0.95 in the reference.
    pub momentum: f64,
    /// What the update is multiplied by besides the learning rate.
    pub scale: MuonScale,
}

/// What Muon's update of a matrix is multiplied by besides the learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MuonScale {
    /// `0.2 * sqrt(max(in, out))`: updates as large as AdamW's, so that one learning rate and one decay do for both (Moonlight,
    /// arXiv 2502.16982, section 2.2).
    #[default]
    MatchRmsAdamw,
    /// `sqrt(max(1, out / in))`, as in the reference and in nanochat; its learning rate is about 0.02.
    Original,
}

impl MuonScale {
    /// The factor for a matrix of so many `inputs` and `outputs`.
    pub fn factor(self, inputs: usize, outputs: usize) -> f64 {
        match self {
            Self::MatchRmsAdamw => 0.2 * (inputs.max(outputs) as f64).sqrt(),
            Self::Original => (outputs as f64 / inputs as f64).max(1.0).sqrt(),
        }
    }
}

impl Rule for Muon {
    /// The mean of the gradients.
    fn state(&self, shape: &[usize]) -> Vec<StateShape> {
        vec![StateShape::like("momentum", shape)]
    }

    fn is_elementwise(&self) -> bool {
        false
    }

    /// The clipped gradient, new momentum and values, a matrix that is made orthogonal and what its products make and read.
    fn scratch(&self, shape: &[usize], _kernels: KernelSet) -> u64 {
        let Sizes { matrices, short, long } = Sizes::of(shape);
        matrices * (8 * short * long + 4 * short * short)
    }

    fn flops(&self, shape: &[usize]) -> f64 {
        let Sizes { matrices, short, long } = Sizes::of(shape);
        let [matrices, short, long] = [matrices, short, long].map(|size| size as f64);
        STEPS as f64 * matrices * (4.0 * short * short * long + 2.0 * short * short * short)
    }

    /// As `torch.optim.Muon` with Nesterov's momentum; weights here are `[in, out]`.
    fn update(&self, it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>) {
        let [.., rows, columns] = *it.shape else { panic!("Muon: a parameter {:?} is no matrix", it.shape) };
        let matrices = it.shape.iter().product::<usize>() / (rows * columns).max(1);
        // What is merged with it, and so the order of its sums, must not depend on what came before; and what it makes is to go
        // before the next parameter's is made.
        let device = it.value.device();
        let end = || drop(device.flush());
        end();
        let gradient = it.clipped();
        let lerp = |from: Tensor<1>, to: Tensor<1>, share: f64| from.clone() + (to - from).mul_scalar(share);
        let momentum = lerp(it.state[0].clone(), gradient.clone(), 1.0 - self.momentum);
        let direction = lerp(gradient, momentum.clone(), self.momentum);
        let direction = orthogonalized(direction.reshape([matrices, rows, columns])).reshape([it.value.dims()[0]]);
        let rate = it.learning_rate * self.scale.factor(rows, columns);
        let value = it.value.clone().mul_scalar(1.0 - it.learning_rate * it.weight_decay) - direction.mul_scalar(rate);
        let updated = (it.chosen(it.value.clone(), value), vec![it.chosen(it.state[0].clone(), momentum)]);
        end();
        updated
    }
}

/// A parameter as so many matrices, and their two sides.
struct Sizes {
    matrices: u64,
    short: u64,
    long: u64,
}

impl Sizes {
    fn of(shape: &[usize]) -> Self {
        let (before, sides) = shape.split_at(shape.len() - 2);
        let [rows, columns] = [sides[0] as u64, sides[1] as u64];
        Self {
            matrices: before.iter().map(|size| *size as u64).product(),
            short: rows.min(columns),
            long: rows.max(columns),
        }
    }
}

/// Iterations that bring singular values near 1, and the polynomial `a x + b x^3 + c x^5` of each: it climbs steeply from 0 at
/// the price of ending anywhere from 0.7 to 1.2 (the reference's own).
const STEPS: usize = 5;
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Added to the norm.
const EPS: f64 = 1e-7;

/// Each matrix of `[E, R, C]` with the singular values made about 1, by Newton-Schulz iterations, in f32.
pub fn orthogonalized(matrices: Tensor<3>) -> Tensor<3> {
    let [_, rows, columns] = matrices.dims();
    let is_tall = rows > columns;
    let mut x = if is_tall { matrices.swap_dims(1, 2) } else { matrices };
    x = x.clone() / norms(x).add_scalar(EPS);
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..STEPS {
        let square = x.clone().matmul(x.clone().swap_dims(1, 2));
        let factor = square.clone().mul_scalar(b) + square.clone().matmul(square).mul_scalar(c);
        x = x.clone().mul_scalar(a) + factor.matmul(x);
    }
    if is_tall { x.swap_dims(1, 2) } else { x }
}

/// The Frobenius norm of each matrix, `[E, 1, 1]`.
fn norms(matrices: Tensor<3>) -> Tensor<3> {
    let [count, ..] = matrices.dims();
    let norm = |matrix: Tensor<3>| add_squares(None, matrix).sum_dim(0).sqrt();
    let norms: Vec<Tensor<1>> = (0..count).map(|at| norm(matrices.clone().narrow(0, at, 1))).collect();
    Tensor::cat(norms, 0).reshape([count, 1, 1])
}
