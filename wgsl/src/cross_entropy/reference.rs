//! The same in plain Burn operations: right everywhere, in about ten passes over the logits.

use burn::tensor::{DType, Int, Tensor};

use super::CrossEntropyOptions;

/// What the loss of a chunk and its gradient share, `n` positions of it.
#[derive(Debug)]
pub struct Chunk {
    /// Sum over the chunk, `[1]`.
    pub loss: Tensor<1>,
    shards: Vec<VocabularyShard>,
    /// The sum of all exponentials, `[n, 1]`.
    normaliser: Tensor<2>,
    /// `logsumexp(logits)`, `[n, 1]`.
    log_normaliser: Tensor<2>,
    /// 1 where the target counts, else 0, `[n, 1]`.
    counted: Tensor<2>,
    /// What the logits are stored in; everything here is in f32, or f64 where they are.
    stored: DType,
}

/// A chunk's columns that belong to one shard of the output matrix.
#[derive(Debug)]
struct VocabularyShard {
    /// After the soft-cap, `[n, rows]`.
    logits: Tensor<2>,
    /// `exp(logits - max)`, `[n, rows]`.
    exponentials: Tensor<2>,
    /// 1 at the target, else 0, `[n, rows]`; all 0 where the target does not count or is in another shard.
    one_hot: Tensor<2>,
}

impl Chunk {
    pub fn new(logits: Vec<Tensor<2>>, targets: Tensor<1, Int>, options: CrossEntropyOptions) -> Self {
        let [positions] = targets.dims();
        let stored = logits[0].dtype();
        let computed = if stored == DType::F64 { DType::F64 } else { DType::F32 };
        let capped = |logits: Tensor<2>| match options.softcap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        };
        let logits: Vec<Tensor<2>> = logits.into_iter().map(|logits| capped(logits.cast(computed))).collect();
        let max = reduce(&logits, |logits| logits.clone().max_dim(1), Tensor::max_pair);
        let targets = targets.reshape([positions, 1]);
        let counted = targets.clone().greater_equal_scalar(0).float().cast(computed);
        let mut start = 0;
        let shards: Vec<VocabularyShard> = logits
            .into_iter()
            .map(|logits| {
                let [_, rows] = logits.dims();
                let ids = Tensor::<1, Int>::arange(start..start + rows as i64, &logits.device()).reshape([1, rows]);
                start += rows as i64;
                let shape = [positions, rows];
                VocabularyShard {
                    one_hot: targets.clone().expand(shape).equal(ids.expand(shape)).float().cast(computed),
                    exponentials: (logits.clone() - max.clone()).exp(),
                    logits,
                }
            })
            .collect();
        let normaliser = reduce(&shards, |shard| shard.exponentials.clone().sum_dim(1), Tensor::add);
        // Selected, not multiplied by 0 or 1: a logit of minus infinity elsewhere in the row changes nothing.
        let at_target = |shard: &VocabularyShard| {
            shard.logits.clone().mask_fill(shard.one_hot.clone().equal_scalar(0), 0).sum_dim(1)
        };
        let target_logit = reduce(&shards, at_target, Tensor::add);
        let log_normaliser = normaliser.clone().log() + max;
        let z_loss = log_normaliser.clone().square() * options.z_loss;
        let losses = (log_normaliser.clone() - target_logit + z_loss) * counted.clone();
        Self { loss: losses.sum_dim(0).reshape([1]), shards, normaliser, log_normaliser, counted, stored }
    }

    /// The gradients of `scale` times the chunk's loss with respect to the logits before the soft-cap, `[n, rows]`
    /// for each shard.
    ///
    /// `d loss / d logits = softmax * (1 + 2 z_loss logsumexp) - one_hot`, and through the soft-cap
    /// `d (cap tanh(x / cap)) / dx = 1 - (logits / cap)^2`.
    pub fn gradients(self, options: CrossEntropyOptions, scale: f64) -> Vec<Tensor<2>> {
        let of_normaliser = self.log_normaliser * (2.0 * options.z_loss) + 1.0;
        let row_scale = self.counted * of_normaliser * scale / self.normaliser;
        let gradient = |VocabularyShard { logits, exponentials, one_hot }: VocabularyShard| {
            let gradient = exponentials * row_scale.clone() - one_hot * scale;
            let gradient = match options.softcap {
                Some(cap) => gradient * (-(logits / cap).square() + 1.0),
                None => gradient,
            };
            gradient.cast(self.stored)
        };
        self.shards.into_iter().map(gradient).collect()
    }
}

/// Maps each shard to a tensor and folds these from the first to the last.
fn reduce<T>(
    shards: &[T],
    map: impl Fn(&T) -> Tensor<2>,
    fold: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    shards.iter().map(map).reduce(fold).expect("a vocabulary has at least one id")
}
