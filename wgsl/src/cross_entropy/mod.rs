//! Cross-entropy over logits that come in shards of the vocabulary, with its gradient in closed form.
//!
//! The logits of a large vocabulary outweigh everything else in a step, so the kernels read them twice: once for each
//! row's log-sum-exp, once to make the gradient. The plain operations pass over them about ten times.

mod kernel;
mod reference;
#[cfg(test)]
pub(crate) mod tests;

use burn::{
    backend::{
        Backend, Dispatch, backend_extension,
        fusion::custom::TensorSpec,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Int, Tensor},
};

#[cfg(test)]
pub(crate) use kernel::shaders;

use crate::{Kernel, launch::runs};

/// Extras of the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropyOptions {
    /// Logits become `cap tanh(logit / cap)` first.
    pub softcap: Option<f64>,
    /// Weight of the squared log-normaliser, `z_loss logsumexp(logits)^2` (PaLM, arXiv 2204.02311, section 5).
    pub z_loss: f64,
}

/// The loss of some positions, and what its gradient needs.
#[derive(Debug)]
pub struct LogitLoss {
    /// Sum over the positions, `[1]`, in nats.
    pub loss: Tensor<1>,
    saved: Saved,
}

// One a chunk, moved once.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Saved {
    Plain(reference::Chunk),
    Kernel { logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, lse: Tensor<1>, weights: Tensor<1> },
}

/// The summed loss of `logits`, shards `[n, rows]` of consecutive ids, against the ids `targets` `[n]`, where a negative one
/// does not count. Without autodiff.
pub fn cross_entropy(logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, options: CrossEntropyOptions) -> LogitLoss {
    if !runs(Kernel::CrossEntropy, &targets.device()) {
        let chunk = reference::Chunk::new(logits, targets, options);
        return LogitLoss { loss: chunk.loss.clone(), saved: Saved::Plain(chunk) };
    }
    let mut first = 0;
    let mut stats = Vec::with_capacity(logits.len());
    for shard in &logits {
        let of_shard = Dispatch::logit_stats(
            shard.clone().into_dispatch(),
            targets.clone().into_dispatch(),
            first,
            options.softcap,
        );
        stats.push(Tensor::<2>::from_dispatch(of_shard));
        first += shard.dims()[1];
    }
    let column = |stats: &Tensor<2>, at: usize| stats.clone().narrow(1, at, 1).squeeze_dim::<1>(1);
    let largest = fold(stats.iter().map(|stats| column(stats, 0)), Tensor::max_pair);
    let total =
        fold(stats.iter().map(|stats| column(stats, 1) * (column(stats, 0) - largest.clone()).exp()), |a, b| a + b);
    let of_target = fold(stats.iter().map(|stats| column(stats, 2)), |a, b| a + b);
    let counted = targets.clone().greater_equal_scalar(0).float();
    let lse = total.log() + largest;
    let z_loss = lse.clone().square() * options.z_loss;
    let losses = (lse.clone() - of_target + z_loss) * counted.clone();
    let weights = counted * (lse.clone() * (2.0 * options.z_loss) + 1.0);
    // A reduction of a matrix to one row: over all of a vector it may use float atomics, whose order varies.
    let [n] = losses.dims();
    let loss = losses.reshape([n, 1]).sum_dim(0).reshape([1]);
    LogitLoss { loss, saved: Saved::Kernel { logits, targets, lse, weights } }
}

impl LogitLoss {
    /// The gradients of `scale` times the loss by the logits, shard by shard. `options` are those of the loss.
    pub fn gradients(self, options: CrossEntropyOptions, scale: f64) -> Vec<Tensor<2>> {
        let (logits, targets, lse, weights) = match self.saved {
            Saved::Plain(chunk) => return chunk.gradients(options, scale),
            Saved::Kernel { logits, targets, lse, weights } => (logits, targets, lse, weights * scale),
        };
        let mut first = 0;
        let gradient = |shard: Tensor<2>| {
            let [_, rows] = shard.dims();
            let [lse, weights] = [&lse, &weights].map(|row| row.clone().into_dispatch());
            let (shard, targets) = (shard.into_dispatch(), targets.clone().into_dispatch());
            let gradient = Dispatch::logit_gradients(shard, targets, lse, weights, first, options.softcap, scale);
            first += rows;
            Tensor::from_dispatch(gradient)
        };
        logits.into_iter().map(gradient).collect()
    }
}

fn fold(parts: impl Iterator<Item = Tensor<1>>, join: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>) -> Tensor<1> {
    parts.reduce(join).expect("a vocabulary has at least one id")
}

/// Backends with the kernels.
#[backend_extension(Cube, Fusion)]
pub trait CrossEntropyOps: Backend {
    /// Of each row of logits `[n, rows]` the largest, the sum of `exp(logit - largest)`, and that of the target or 0,
    /// `[n, 3]`; the ids of the columns begin at `first`.
    #[fusion(meta = |logits, _targets, _first, _softcap| stats(logits))]
    fn logit_stats(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        first: usize,
        softcap: Option<f64>,
    ) -> FloatTensor<Self>;

    /// `weight exp(logit - lse) - scale [target]`, times the soft-cap's slope; `lse` and `weights` `[n]`.
    #[fusion(meta = |logits, _targets, _lse, _weights, _first, _softcap, _scale| logits.clone())]
    fn logit_gradients(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        lse: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        first: usize,
        softcap: Option<f64>,
        scale: f64,
    ) -> FloatTensor<Self>;
}

fn stats(logits: &TensorSpec) -> TensorSpec {
    TensorSpec::new([logits.shape[0], 3].into(), DType::F32)
}
