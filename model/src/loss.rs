//! Cross-entropy over the vocabulary, one chunk of logits at a time, with its gradient in closed form.
//!
//! The logits `[N, V]` of a large vocabulary outweigh everything else in a step. They are made for a chunk of positions,
//! turned into that chunk's loss and gradients, and dropped. No tape sees them.

use burn::tensor::{Int, Tensor};

use crate::TransformerConfig;

/// A target that does not count.
pub const IGNORED: i32 = -1;

/// Bytes of one chunk of f32 logits by default: well under WebGPU's 128 MiB binding limit.
const CHUNK_BYTES: usize = 32 << 20;

/// How the loss of a head is computed. All sums are over the positions that count.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropy {
    /// Logits become `cap * tanh(logits / cap)` first.
    pub logit_softcap: Option<f64>,
    /// Weight of the squared log-normaliser, `z_loss * logsumexp(logits)^2` (PaLM, arXiv 2204.02311, section 5).
    pub z_loss: f64,
    /// Positions whose logits exist at once.
    pub chunk: usize,
}

/// The loss and its gradients, unaveraged.
#[derive(Clone, Debug)]
pub struct LossGradients {
    /// Sum of the losses, `[1]`; not scaled.
    pub loss: Tensor<1>,
    /// With respect to the head's input, `[N, C]`, scaled.
    pub hidden: Tensor<2>,
    /// With respect to the shards of the output matrix, `[rows, C]` each, scaled.
    pub output: Vec<Tensor<2>>,
}

impl CrossEntropy {
    /// Plain cross-entropy for a vocabulary of `vocab_size`, with chunks of a size that any adapter can bind.
    pub fn new(vocab_size: usize) -> Self {
        let chunk = (CHUNK_BYTES / (size_of::<f32>() * vocab_size.max(1))).max(1);
        Self { logit_softcap: None, z_loss: 0.0, chunk }
    }

    /// The loss of a model's head: its vocabulary and its soft-cap.
    pub fn of(model: &TransformerConfig) -> Self {
        Self { logit_softcap: model.logit_softcap, ..Self::new(model.vocab_size) }
    }

    /// The summed loss `[1]` in nats, without gradients.
    ///
    /// `hidden_nc` is the normalised stream `[N, C]`, `output` the shards of the output matrix `[V, C]`, `targets_n` the
    /// ids `[N]`, where a negative id ([`IGNORED`]) does not count. All on a device without autodiff.
    pub fn loss(&self, hidden_nc: Tensor<2>, output: &[Tensor<2>], targets_n: Tensor<1, Int>) -> Tensor<1> {
        let mut loss = Tensor::zeros([1], &hidden_nc.device());
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            loss = loss + Chunk::new(self, hidden, output, targets_n.clone().narrow(0, start, length)).loss;
        }
        loss
    }

    /// The summed loss as [`CrossEntropy::loss`], and the gradients of `scale` times it.
    pub fn loss_and_gradients(
        &self,
        hidden_nc: Tensor<2>,
        output: &[Tensor<2>],
        targets_n: Tensor<1, Int>,
        scale: f64,
    ) -> LossGradients {
        let mut loss = Tensor::zeros([1], &hidden_nc.device());
        let mut hidden_gradients = Vec::new();
        let mut output_gradients: Vec<Option<Tensor<2>>> = vec![None; output.len()];
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            let targets = targets_n.clone().narrow(0, start, length);
            let chunk = Chunk::new(self, hidden.clone(), output, targets);
            loss = loss + chunk.loss.clone();
            let logits_gradients = chunk.gradients(self, scale).into_iter();
            let mut of_hidden = None;
            for ((gradient, shard), sum) in logits_gradients.zip(output).zip(&mut output_gradients) {
                accumulate(&mut of_hidden, gradient.clone().matmul(shard.clone()));
                accumulate(sum, gradient.transpose().matmul(hidden.clone()));
            }
            hidden_gradients.extend(of_hidden);
        }
        let or_zeros = |(sum, shard): (Option<Tensor<2>>, &Tensor<2>)| sum.unwrap_or_else(|| shard.zeros_like());
        LossGradients {
            loss,
            hidden: Tensor::cat(hidden_gradients, 0),
            output: output_gradients.into_iter().zip(output).map(or_zeros).collect(),
        }
    }

    /// Start and length of each chunk of `positions`.
    fn chunks(&self, positions: usize) -> impl Iterator<Item = (usize, usize)> {
        let chunk = self.chunk.max(1);
        (0..positions).step_by(chunk).map(move |start| (start, chunk.min(positions - start)))
    }
}

/// What the loss of a chunk and its gradient share, `n` positions of it.
struct Chunk {
    /// Sum over the chunk, `[1]`.
    loss: Tensor<1>,
    shards: Vec<Shard>,
    /// The sum of all exponentials, `[n, 1]`.
    normaliser: Tensor<2>,
    /// `logsumexp(logits)`, `[n, 1]`.
    log_normaliser: Tensor<2>,
    /// 1 where the target counts, else 0, `[n, 1]`.
    counted: Tensor<2>,
}

/// A chunk's columns that belong to one shard of the output matrix.
struct Shard {
    /// After the soft-cap, `[n, rows]`.
    logits: Tensor<2>,
    /// `exp(logits - max)`, `[n, rows]`.
    exponentials: Tensor<2>,
    /// 1 at the target, else 0, `[n, rows]`; all 0 where the target does not count or is in another shard.
    one_hot: Tensor<2>,
}

impl Chunk {
    fn new(options: &CrossEntropy, hidden: Tensor<2>, output: &[Tensor<2>], targets: Tensor<1, Int>) -> Self {
        let [positions, _] = hidden.dims();
        let logits: Vec<Tensor<2>> = output
            .iter()
            .map(|shard| softcap(hidden.clone().matmul(shard.clone().transpose()), options.logit_softcap))
            .collect();
        let max = reduce(&logits, |logits| logits.clone().max_dim(1), Tensor::max_pair);
        let targets = targets.reshape([positions, 1]);
        let counted = targets.clone().greater_equal_scalar(0).float();
        let mut start = 0;
        let shards: Vec<Shard> = logits
            .into_iter()
            .map(|logits| {
                let [_, rows] = logits.dims();
                let ids = Tensor::<1, Int>::arange(start..start + rows as i64, &logits.device()).reshape([1, rows]);
                start += rows as i64;
                let shape = [positions, rows];
                Shard {
                    one_hot: targets.clone().expand(shape).equal(ids.expand(shape)).float(),
                    exponentials: (logits.clone() - max.clone()).exp(),
                    logits,
                }
            })
            .collect();
        let normaliser = reduce(&shards, |shard| shard.exponentials.clone().sum_dim(1), Tensor::add);
        let target_logit =
            reduce(&shards, |shard| (shard.logits.clone() * shard.one_hot.clone()).sum_dim(1), Tensor::add);
        let log_normaliser = normaliser.clone().log() + max;
        let z_loss = log_normaliser.clone().square() * options.z_loss;
        let losses = (log_normaliser.clone() - target_logit + z_loss) * counted.clone();
        Self { loss: losses.sum_dim(0).reshape([1]), shards, normaliser, log_normaliser, counted }
    }

    /// The gradients of `scale` times the chunk's loss with respect to the logits before the soft-cap, `[n, rows]`
    /// for each shard.
    ///
    /// `d loss / d logits = softmax * (1 + 2 z_loss logsumexp) - one_hot`, and through the soft-cap
    /// `d (cap tanh(x / cap)) / dx = 1 - (logits / cap)^2`.
    fn gradients(self, options: &CrossEntropy, scale: f64) -> Vec<Tensor<2>> {
        let of_normaliser = self.log_normaliser * (2.0 * options.z_loss) + 1.0;
        let row_scale = self.counted * of_normaliser * scale / self.normaliser;
        let gradient = |Shard { logits, exponentials, one_hot }: Shard| {
            let gradient = exponentials * row_scale.clone() - one_hot * scale;
            match options.logit_softcap {
                Some(cap) => gradient * (-(logits / cap).square() + 1.0),
                None => gradient,
            }
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

fn accumulate(sum: &mut Option<Tensor<2>>, term: Tensor<2>) {
    *sum = Some(match sum.take() {
        Some(sum) => sum + term,
        None => term,
    });
}

/// `cap * tanh(logits / cap)`, or the logits as they are.
pub(crate) fn softcap<const D: usize>(logits: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    }
}
