//! Cross-entropy over logits that come in shards of the vocabulary, with its gradient in closed form.
//!
//! The logits of a large vocabulary outweigh everything else in a step, so the kernels read them twice: once for each
//! row's log-sum-exp, once to make the gradient. The plain operations pass over them about ten times.

mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod options;
mod reference;
#[cfg(test)]
mod tests;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{backend::fusion::custom::TensorSpec, tensor::DType};
use burn::{
    backend::{
        Backend, Dispatch, ExtensionType, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Int, IntDType, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

pub use options::CrossEntropyOptions;

use crate::{Kernel, check, choice::takes};

/// The loss of some positions, and what its gradient needs.
#[derive(Debug)]
pub struct LogitLoss {
    /// Sum over the positions that count, `[1]`, in nats; the z-term is in it.
    pub loss: Tensor<1>,
    saved: Saved,
    options: CrossEntropyOptions,
}

// One a chunk, moved once.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Saved {
    Plain(reference::Chunk),
    Kernel { logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, lse: Tensor<1>, weights: Tensor<1> },
}

/// The summed loss of `logits`, shards `[n, rows]` of consecutive ids, against the ids `targets` `[n]`.
///
/// A negative target does not count. One beyond the vocabulary cannot be looked for without waiting for the device: it
/// counts as an id with the logit 0 that takes no part in the normaliser, so ids are to be checked where they are made, on
/// the host. Not differentiable by a tape: [`LogitLoss::gradients`] has the gradient in closed form.
///
/// # Panics
/// If there are no logits, if a shard has another `n` than the targets, another dtype than the first or is with autodiff,
/// or if the soft-cap is not positive.
#[track_caller]
pub fn cross_entropy(logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, options: CrossEntropyOptions) -> LogitLoss {
    check_arguments(&logits, &targets, options);
    run(logits, targets.without_autodiff(), options, false)
}

#[track_caller]
fn check_arguments(logits: &[Tensor<2>], targets: &Tensor<1, Int>, options: CrossEntropyOptions) {
    assert!(!logits.is_empty(), "cross_entropy: logits of no ids: there must be a shard of them");
    let [n] = targets.dims();
    for shard in logits {
        let ([rows, columns], shapes) = (shard.dims(), [("logits", &shard.dims()[..]), ("targets", &targets.dims())]);
        check::shapes("cross_entropy", rows == n && columns > 0, shapes, "must have a row of logits a target");
        check::one_dtype("cross_entropy", [("logits", logits[0].dtype()), ("logits", shard.dtype())]);
        check::plain("cross_entropy", "logits", shard);
    }
    check::softcap("cross_entropy", options.softcap);
}

/// See [`cross_entropy`]; with `subgroups` rows are summed by them even where the adapter does not say that it has them.
fn run(logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, options: CrossEntropyOptions, subgroups: bool) -> LogitLoss {
    if !takes(Kernel::CrossEntropy, &logits[0]) {
        let chunk = reference::Chunk::new(logits, targets, options);
        return LogitLoss { loss: chunk.loss.clone(), saved: Saved::Plain(chunk), options };
    }
    let targets = targets.cast(IntDType::I32);
    let Rows { lse, of_target } = Rows::of(&logits, &targets, options.softcap, subgroups);
    let counted = targets.clone().greater_equal_scalar(0).float();
    let z_loss = lse.clone().square() * options.z_loss;
    let losses = (lse.clone() - of_target + z_loss) * counted.clone();
    let weights = counted * (lse.clone() * (2.0 * options.z_loss) + 1.0);
    // A reduction of a matrix to one row: over all of a vector it may use float atomics, whose order varies.
    let [n] = losses.dims();
    let loss = losses.reshape([n, 1]).sum_dim(0).reshape([1]);
    LogitLoss { loss, saved: Saved::Kernel { logits, targets, lse, weights }, options }
}

/// What the loss needs of each row of logits, `[n]`.
struct Rows {
    /// `logsumexp(logits)`.
    lse: Tensor<1>,
    /// The target's logit, or 0 where no shard has it.
    of_target: Tensor<1>,
}

impl Rows {
    fn of(logits: &[Tensor<2>], targets: &Tensor<1, Int>, softcap: Option<f64>, subgroups: bool) -> Self {
        let mut first = 0;
        let mut stats = Vec::with_capacity(logits.len());
        for shard in logits {
            let (shard_logits, targets) = (shard.clone().into_dispatch(), targets.clone().into_dispatch());
            let of_shard = Dispatch::logit_stats(shard_logits, targets, first, softcap, subgroups);
            stats.push(Tensor::<2>::from_dispatch(of_shard));
            first += shard.dims()[1];
        }
        let column = |stats: &Tensor<2>, at: usize| stats.clone().narrow(1, at, 1).squeeze_dim::<1>(1);
        let largest = fold(stats.iter().map(|stats| column(stats, 0)), Tensor::max_pair);
        let total =
            fold(stats.iter().map(|stats| column(stats, 1) * (column(stats, 0) - largest.clone()).exp()), |a, b| a + b);
        let of_target = fold(stats.iter().map(|stats| column(stats, 2)), |a, b| a + b);
        Self { lse: total.log() + largest, of_target }
    }
}

impl LogitLoss {
    /// The gradients of `scale` times the loss by the logits, shard by shard, of their shapes and dtype.
    pub fn gradients(self, scale: f64) -> Vec<Tensor<2>> {
        let (logits, targets, lse, weights) = match self.saved {
            Saved::Plain(chunk) => return chunk.gradients(self.options, scale),
            Saved::Kernel { logits, targets, lse, weights } => (logits, targets, lse, weights * scale),
        };
        let mut first = 0;
        let gradient = |shard: Tensor<2>| {
            let [_, rows] = shard.dims();
            let [lse, weights] = [&lse, &weights].map(|row| row.clone().into_dispatch());
            let (shard, targets) = (shard.into_dispatch(), targets.clone().into_dispatch());
            let softcap = self.options.softcap;
            let gradient = Dispatch::logit_gradients(shard, targets, LogitRows { lse, weights }, first, softcap, scale);
            first += rows;
            Tensor::from_dispatch(gradient)
        };
        logits.into_iter().map(gradient).collect()
    }
}

fn fold(parts: impl Iterator<Item = Tensor<1>>, join: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>) -> Tensor<1> {
    parts.reduce(join).expect("a vocabulary has at least one id")
}

/// What the gradient needs of each row of logits.
#[derive(ExtensionType)]
#[cfg_attr(not(target_family = "wasm"), extension_type(fusion))]
pub struct LogitRows<B: Backend> {
    /// `logsumexp(logits)`, `[n]`.
    pub lse: FloatTensor<B>,
    /// What each row's softmax is multiplied by, `[n]`; 0 where the target does not count.
    pub weights: FloatTensor<B>,
}

/// Backends that have the kernels.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait CrossEntropyOps: Backend {
    /// Of each row of logits `[n, rows]` the largest, the sum of `exp(logit - largest)`, and that of the target or 0,
    /// `[n, 3]`; the ids of the columns begin at `first`.
    #[fusion(meta = |logits, _targets, _first, _softcap, _subgroups| stats(logits))]
    fn logit_stats(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        first: usize,
        softcap: Option<f64>,
        subgroups: bool,
    ) -> FloatTensor<Self>;

    /// `weight exp(logit - lse) - scale [target]`, times the soft-cap's slope.
    #[fusion(meta = |logits, _targets, _rows, _first, _softcap, _scale| logits.clone())]
    fn logit_gradients(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        #[extension_type] rows: LogitRows<Self>,
        first: usize,
        softcap: Option<f64>,
        scale: f64,
    ) -> FloatTensor<Self>;
}

#[cfg(not(target_family = "wasm"))]
fn stats(logits: &TensorSpec) -> TensorSpec {
    TensorSpec::new([logits.shape[0], 3].into(), DType::F32)
}
