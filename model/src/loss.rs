//! Cross-entropy over the vocabulary, one chunk of logits at a time, with its gradient in closed form.
//!
//! The logits `[N, V]` of a large vocabulary outweigh everything else in a step. They are made for a chunk of positions,
//! turned into that chunk's loss and gradients, and dropped. No tape sees them.

use burn::tensor::{Int, Tensor};

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
    /// With respect to the output matrix, `[V, C]`, scaled.
    pub output: Tensor<2>,
}

impl CrossEntropy {
    /// Plain cross-entropy for a vocabulary of `vocab_size`, with chunks of a size that any adapter can bind.
    pub fn new(vocab_size: usize) -> Self {
        let chunk = (CHUNK_BYTES / (size_of::<f32>() * vocab_size.max(1))).max(1);
        Self { logit_softcap: None, z_loss: 0.0, chunk }
    }

    /// The summed loss `[1]` in nats, without gradients.
    ///
    /// `hidden_nc` is the normalised stream `[N, C]`, `output_vc` the output matrix `[V, C]`, `targets_n` the ids `[N]`,
    /// where a negative id ([`IGNORED`]) does not count. All on a device without autodiff.
    pub fn loss(&self, hidden_nc: Tensor<2>, output_vc: Tensor<2>, targets_n: Tensor<1, Int>) -> Tensor<1> {
        let mut loss = Tensor::zeros([1], &hidden_nc.device());
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            let chunk = Chunk::new(self, hidden, output_vc.clone(), targets_n.clone().narrow(0, start, length));
            loss = loss + chunk.loss;
        }
        loss
    }

    /// The summed loss as [`CrossEntropy::loss`], and the gradients of `scale` times it.
    pub fn loss_and_gradients(
        &self,
        hidden_nc: Tensor<2>,
        output_vc: Tensor<2>,
        targets_n: Tensor<1, Int>,
        scale: f64,
    ) -> LossGradients {
        let device = hidden_nc.device();
        let mut loss = Tensor::zeros([1], &device);
        let mut hidden_gradients = Vec::new();
        let mut output_gradient: Option<Tensor<2>> = None;
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            let targets = targets_n.clone().narrow(0, start, length);
            let chunk = Chunk::new(self, hidden.clone(), output_vc.clone(), targets);
            loss = loss + chunk.loss.clone();
            let logits_gradient = chunk.gradient(self, scale);
            hidden_gradients.push(logits_gradient.clone().matmul(output_vc.clone()));
            let output = logits_gradient.transpose().matmul(hidden);
            output_gradient = Some(match output_gradient {
                Some(sum) => sum + output,
                None => output,
            });
        }
        LossGradients {
            loss,
            hidden: Tensor::cat(hidden_gradients, 0),
            output: output_gradient.unwrap_or_else(|| output_vc.zeros_like()),
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
    /// After the soft-cap, `[n, V]`.
    logits: Tensor<2>,
    /// `exp(logits - max)`, `[n, V]`.
    exponentials: Tensor<2>,
    /// Their sum, `[n, 1]`.
    normaliser: Tensor<2>,
    /// `logsumexp(logits)`, `[n, 1]`.
    log_normaliser: Tensor<2>,
    /// 1 at the target, else 0, `[n, V]`; all 0 where the target does not count.
    one_hot: Tensor<2>,
    /// 1 where the target counts, else 0, `[n, 1]`.
    counted: Tensor<2>,
}

impl Chunk {
    fn new(options: &CrossEntropy, hidden: Tensor<2>, output_vc: Tensor<2>, targets: Tensor<1, Int>) -> Self {
        let [positions, _] = hidden.dims();
        let [vocabulary, _] = output_vc.dims();
        let device = hidden.device();
        let logits = softcap(hidden.matmul(output_vc.transpose()), options.logit_softcap);
        let targets = targets.reshape([positions, 1]);
        let ids = Tensor::<1, Int>::arange(0..vocabulary as i64, &device).reshape([1, vocabulary]);
        let shape = [positions, vocabulary];
        let one_hot = targets.clone().expand(shape).equal(ids.expand(shape)).float();
        let counted = targets.greater_equal_scalar(0).float();

        let max = logits.clone().max_dim(1);
        let exponentials = (logits.clone() - max.clone()).exp();
        let normaliser = exponentials.clone().sum_dim(1);
        let log_normaliser = normaliser.clone().log() + max;
        let target_logit = (logits.clone() * one_hot.clone()).sum_dim(1);
        let z_loss = log_normaliser.clone().square() * options.z_loss;
        let losses = (log_normaliser.clone() - target_logit + z_loss) * counted.clone();
        Self {
            loss: losses.sum_dim(0).reshape([1]),
            logits,
            exponentials,
            normaliser,
            log_normaliser,
            one_hot,
            counted,
        }
    }

    /// The gradient of `scale` times the chunk's loss with respect to the logits before the soft-cap, `[n, V]`.
    ///
    /// `d loss / d logits = softmax * (1 + 2 z_loss logsumexp) - one_hot`, and through the soft-cap
    /// `d (cap tanh(x / cap)) / dx = 1 - (logits / cap)^2`.
    fn gradient(self, options: &CrossEntropy, scale: f64) -> Tensor<2> {
        let of_normaliser = self.log_normaliser * (2.0 * options.z_loss) + 1.0;
        let row_scale = self.counted * of_normaliser * scale / self.normaliser;
        let gradient = self.exponentials * row_scale - self.one_hot * scale;
        match options.logit_softcap {
            Some(cap) => gradient * (-(self.logits / cap).square() + 1.0),
            None => gradient,
        }
    }
}

/// `cap * tanh(logits / cap)`, or the logits as they are.
pub(crate) fn softcap<const D: usize>(logits: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    }
}
