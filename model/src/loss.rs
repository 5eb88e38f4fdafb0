//! Cross-entropy over the vocabulary, one chunk of logits at a time, with its gradient in closed form.
//!
//! The logits `[N, V]` of a large vocabulary outweigh everything else in a step. They are made for a chunk of positions,
//! turned into that chunk's loss and gradients, and dropped. No tape sees them.

use burn::tensor::{Int, Tensor};
use hearth_wgsl::{CrossEntropyOptions, add_product, cross_entropy};

use crate::TransformerConfig;

/// Bytes of one chunk of f32 logits by default: well under WebGPU's 128 MiB binding limit.
const CHUNK_BYTES: usize = 32 << 20;

/// How the loss of a head is computed. All sums are over the positions that count: those whose target is not negative,
/// which PyTorch's -100 is too.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropy {
    /// Logits become `cap * tanh(logits / cap)` first.
    pub logit_softcap: Option<f64>,
    /// Weight of the z-term, the squared log-normaliser, `z_loss * logsumexp(logits)^2` (PaLM, arXiv 2204.02311, section 5).
    /// It steadies training and says nothing of the text: [`CrossEntropy::loss`] leaves it out.
    pub z_loss: f64,
    /// Positions whose logits exist at once.
    pub chunk: usize,
}

/// The loss and its gradients, unaveraged.
#[derive(Clone, Debug)]
pub struct LossGradients {
    /// Sum of the losses, `[1]`, in nats, with the z-term; not scaled.
    pub loss: Tensor<1>,
    /// With respect to the head's input, `[N, C]`, scaled.
    pub hidden: Tensor<2>,
    /// With respect to the shards of the output matrix, `[rows, C]` each, scaled; empty where it is frozen.
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

    /// The summed negative log-likelihood `[1]` in nats, for evaluation: without gradients, and without the z-term, so that
    /// models trained with and without one compare.
    ///
    /// `hidden_nc` is the normalised stream `[N, C]`, `output` the shards `[rows, C]` of the output matrix, `targets_n` the
    /// ids `[N]`, where a negative one does not count. All on a device without autodiff.
    ///
    /// # Panics
    /// If there are not as many targets as positions, if a shard has another `C`, or a tensor is with autodiff.
    pub fn loss(&self, hidden_nc: Tensor<2>, output: &[Tensor<2>], targets_n: Tensor<1, Int>) -> Tensor<1> {
        check(&hidden_nc, output, &targets_n);
        let mut loss = Tensor::zeros([1], &hidden_nc.device());
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            let targets = targets_n.clone().narrow(0, start, length);
            let options = CrossEntropyOptions { z_loss: 0.0, ..self.options() };
            loss = loss + cross_entropy(logits(&hidden, output), targets, options).loss;
        }
        loss
    }

    /// As [`CrossEntropy::loss`], of so many consecutive positions each by itself: `[runs]`.
    ///
    /// # Panics
    /// As [`CrossEntropy::loss`], and if the runs are not all positions together.
    pub fn losses(
        &self,
        hidden_nc: Tensor<2>,
        output: &[Tensor<2>],
        targets_n: Tensor<1, Int>,
        runs: &[usize],
    ) -> Tensor<1> {
        check(&hidden_nc, output, &targets_n);
        let (n, device) = (hidden_nc.dims()[0], hidden_nc.device());
        assert!(runs.iter().sum::<usize>() == n, "losses: runs {runs:?} of {n} positions: must be all of them");
        let mut losses = vec![Tensor::zeros([1], &device); runs.len()];
        for (start, length) in self.chunks(n) {
            let logits = logits(&hidden_nc.clone().narrow(0, start, length), output);
            let mut begin = 0;
            for (run, loss) in runs.iter().zip(&mut losses) {
                let (first, end) = (begin.max(start), (begin + run).min(start + length));
                begin += run;
                if first < end {
                    let of_run = |x: &Tensor<2>| x.clone().narrow(0, first - start, end - first);
                    let options = CrossEntropyOptions { z_loss: 0.0, ..self.options() };
                    let targets = targets_n.clone().narrow(0, first, end - first);
                    let found = cross_entropy(logits.iter().map(of_run).collect(), targets, options).loss;
                    *loss = loss.clone() + found;
                }
            }
        }
        if losses.is_empty() { Tensor::zeros([0], &device) } else { Tensor::cat(losses, 0) }
    }

    /// The summed loss that training makes small, which is that of [`CrossEntropy::loss`] and the z-term, and the gradients of
    /// `scale` times it.
    ///
    /// # Panics
    /// As [`CrossEntropy::loss`].
    pub fn loss_and_gradients(
        &self,
        hidden_nc: Tensor<2>,
        output: &[Tensor<2>],
        targets_n: Tensor<1, Int>,
        scale: f64,
    ) -> LossGradients {
        self.differentiate(hidden_nc, output, targets_n, scale, true)
    }

    /// As [`CrossEntropy::loss_and_gradients`] without that of the output matrix, for one that is frozen: the result's
    /// `output` is empty.
    pub fn loss_and_hidden_gradient(
        &self,
        hidden_nc: Tensor<2>,
        output: &[Tensor<2>],
        targets_n: Tensor<1, Int>,
        scale: f64,
    ) -> LossGradients {
        self.differentiate(hidden_nc, output, targets_n, scale, false)
    }

    fn differentiate(
        &self,
        hidden_nc: Tensor<2>,
        output: &[Tensor<2>],
        targets_n: Tensor<1, Int>,
        scale: f64,
        output_is_trained: bool,
    ) -> LossGradients {
        check(&hidden_nc, output, &targets_n);
        let mut loss = Tensor::zeros([1], &hidden_nc.device());
        let mut hidden_gradients = Vec::new();
        let mut output_gradients: Vec<Option<Tensor<2>>> = vec![None; output.len()];
        for (start, length) in self.chunks(hidden_nc.dims()[0]) {
            let hidden = hidden_nc.clone().narrow(0, start, length);
            let targets = targets_n.clone().narrow(0, start, length);
            let found = cross_entropy(logits(&hidden, output), targets, self.options());
            loss = loss + found.loss.clone();
            let logits_gradients = found.gradients(scale).into_iter();
            let mut of_hidden = None;
            for ((gradient, shard), sum) in logits_gradients.zip(output).zip(&mut output_gradients) {
                of_hidden = Some(add_product(of_hidden, gradient.clone(), shard.clone()));
                if output_is_trained {
                    *sum = Some(add_product(sum.take(), gradient.transpose(), hidden.clone()));
                }
            }
            hidden_gradients.extend(of_hidden);
        }
        let or_zeros = |(sum, shard): (Option<Tensor<2>>, &Tensor<2>)| sum.unwrap_or_else(|| shard.zeros_like());
        LossGradients {
            loss,
            hidden: Tensor::cat(hidden_gradients, 0),
            output: match output_is_trained {
                true => output_gradients.into_iter().zip(output).map(or_zeros).collect(),
                false => Vec::new(),
            },
        }
    }

    fn options(&self) -> CrossEntropyOptions {
        CrossEntropyOptions { softcap: self.logit_softcap, z_loss: self.z_loss }
    }

    /// Start and length of each chunk of `positions`.
    fn chunks(&self, positions: usize) -> impl Iterator<Item = (usize, usize)> {
        let chunk = self.chunk.max(1);
        (0..positions).step_by(chunk).map(move |start| (start, chunk.min(positions - start)))
    }
}

/// Before any of it is cut into chunks, which would hide what is left over.
#[track_caller]
fn check(hidden_nc: &Tensor<2>, output: &[Tensor<2>], targets_n: &Tensor<1, Int>) {
    let ([n, c], hidden, targets) = (hidden_nc.dims(), hidden_nc.dims(), targets_n.dims());
    assert!(targets == [n], "loss: hidden {hidden:?}, targets {targets:?}: must have a target a position");
    for shard in output {
        let [rows, width] = shard.dims();
        assert!(width == c, "loss: hidden {hidden:?}, output [{rows}, {width}]: must have the same C");
    }
}

/// The logits of the hidden states `[n, C]`, `[n, rows]` for each shard `[rows, C]` of the output matrix.
fn logits(hidden: &Tensor<2>, output: &[Tensor<2>]) -> Vec<Tensor<2>> {
    output.iter().map(|shard| add_product(None, hidden.clone(), shard.clone().transpose())).collect()
}

/// `cap * tanh(logits / cap)`, or the logits as they are.
pub(crate) fn softcap<const D: usize>(logits: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    }
}
