//! The walk: a training step runs the model's segments forward and then back.
//!
//! Between two segments there is one tensor, the residual stream `[B, T, C]`. Forward, each segment runs and saves for
//! its backward pass what its [`Policy`] says: a tape, or only its input. Backward, from the last segment to the first,
//! its vector-Jacobian product turns the gradient of its output into the gradient of its input, which goes on to the
//! segment before, and of its parameters, which go to the [`Sink`]. The policy decides what memory a walk takes and how
//! long, and no bit of its result.
//!
//! A parameter that is frozen (`no_grad`) gets no gradient.
//!
//! Nothing here waits for the device, but for tensors that the policy has put into host memory: those were queued long
//! before, so that the device has work while the host waits.

mod blocks;
mod boundary;
mod embedding;
mod fits;
mod head;
mod micro_batch;
mod offloaded;
mod outlet;
mod policy;
mod sink;
mod tape;
#[cfg(test)]
mod tests;

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use hearth_data::Batch;
use hearth_model::{CrossEntropy, Frame, Key, Transformer, TransformerBlock, TransformerConfig};

#[cfg(not(target_family = "wasm"))]
pub(crate) use blocks::WalkState;
#[cfg(not(target_family = "wasm"))]
pub(crate) use head::Top;
pub use micro_batch::MicroBatch;
pub use outlet::Outlet;
pub use policy::{Activations, Placement, Policy, Segment};
pub use sink::Sink;
#[cfg(not(target_family = "wasm"))]
pub(crate) use sink::norm_of;

/// How a model is walked: what a walk needs besides the model and the batch.
///
/// A trainer has one. Alone, for a loop of one's own:
///
/// ```
/// use burn::tensor::Device;
/// use hearth_data::Batch;
/// use hearth_model::preset;
/// use hearth_train::walk::{MicroBatch, Sink, Walk};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = preset("stories260k")?;
/// (config.layers, config.vocab_size, config.context_length) = (1, 32, 8);
/// let device = Device::flex();
/// let walk = Walk::new(&config, 8, &device);
/// let model = walk.place(config.init(1, &device)?);
///
/// let ids = |first: i32| (first..first + 8).collect();
/// let batch = Batch { inputs: ids(0), targets: ids(1), rows: 1, time: 8, packing: None };
/// let mut sink = Sink::default();
/// let scale = 1.0 / batch.counted() as f64;
/// let loss = walk.train(&model, MicroBatch::new(&batch, &device), None, scale, &mut sink);
/// // Without training about as much as a guess among 32.
/// assert!((loss.into_scalar::<f32>() / 8.0 - 32f32.ln()).abs() < 0.5);
/// let norms = sink.norms(&model);
/// assert_eq!(norms[0].0, "embedding.tokens");
/// let gradients = sink.into_gradients(&model); // for any of Burn's optimizers
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    /// Where the segments run; without autodiff.
    pub device: Device,
    /// What is saved for the backward pass, and where parameters live.
    pub policy: Policy,
    /// The loss over the head's logits.
    pub loss: CrossEntropy,
    /// Weight of the loss that keeps experts evenly busy, beside that over the head's logits; 0 without.
    pub balance: f64,
    /// Devices that experts are dealt out over, the walk's own first; empty where all are on that. Their blocks' parameters must
    /// be on devices, not in host memory.
    pub expert_devices: Vec<Device>,
    /// The number that the first of the model's blocks has in the whole model: 0, but for a part of one.
    pub first_layer: usize,
    /// Positions and rotations of the batch.
    frame: Frame,
    /// Tokens of a window, `T`.
    time: usize,
    /// The model that the tables are made for.
    model: TransformerConfig,
}

impl Walk {
    /// A walk on `device` for windows of `time` tokens, that keeps everything there.
    ///
    /// # Panics
    /// If `model` is none that [`TransformerConfig::validate`] accepts, or `time` exceeds its context length.
    pub fn new(model: &TransformerConfig, time: usize, device: &Device) -> Self {
        if let Err(error) = model.validate() {
            panic!("Walk::new: {error}");
        }
        let device = device.clone().without_autodiff();
        Self {
            policy: Policy::keep(model.layers),
            frame: Frame::new(model, 0, time, &device),
            loss: CrossEntropy::of(model),
            balance: 0.0,
            expert_devices: Vec::new(),
            first_layer: 0,
            time,
            model: model.clone(),
            device,
        }
    }

    /// A walk over `model`'s blocks `blocks` alone: see [`Transformer::stage`].
    ///
    /// # Panics
    /// As [`Walk::new`].
    pub fn over(model: &TransformerConfig, blocks: Range<usize>, time: usize, device: &Device) -> Self {
        let policy = Policy::keep(blocks.len());
        Self { policy, first_layer: blocks.start, ..Self::new(model, time, device) }
    }

    /// The model with each segment's parameters where the policy wants them, and with autodiff. A parameter that is frozen
    /// stays so.
    ///
    /// # Panics
    /// If the walk was made for another model: with other positions, rotations or vocabulary, or another number of blocks.
    pub fn place<B: TransformerBlock>(&self, model: Transformer<B>) -> Transformer<B> {
        self.check_model("Walk::place", &model);
        let at = |placement: Placement| match placement {
            Placement::Device => self.device.clone().autodiff(),
            Placement::Host => Device::flex().autodiff(),
        };
        let mut model = model;
        model.embedding = model.embedding.fork(&at(self.policy.embedding));
        let blocks = model.blocks.into_iter().enumerate();
        model.blocks = blocks.map(|(layer, block)| block.fork(&at(self.policy.block(layer)))).collect();
        model.head = model.head.fork(&at(self.policy.head));
        // Parameters of a model that was without autodiff are not on a tape before this.
        let mut model = model.train();
        if !self.expert_devices.is_empty() {
            model.blocks = model.blocks.into_iter().map(|it| it.with_experts_over(&self.expert_devices)).collect();
        }
        model
    }

    /// Walks forward and back; adds the gradients of `scale` times the summed loss to `sink`.
    ///
    /// `model` must be where [`Walk::place`] puts it. With a `key`, dropout is on.
    /// Returns the summed loss over the targets that count, `[1]`, in nats.
    ///
    /// # Panics
    /// If the model is another than the walk's, or the batch has windows of another length or ids beyond the vocabulary.
    pub fn train<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        batch: MicroBatch,
        key: Option<Key>,
        scale: f64,
        sink: &mut Sink,
    ) -> Tensor<1> {
        self.check_model("Walk::train", model);
        let (mut state, targets) = self.begin(batch, key, scale);
        let x_btc = self.embed(model, &state);
        let x_btc = self.forward_blocks(model, &mut state, x_btc);
        let top = self.head(model, x_btc, targets, scale, sink);
        top.tied.into_iter().for_each(|(id, half)| sink.keep_tied_half(id, half, self.policy.embedding));
        let gradient_btc = self.backward_blocks(model, &mut state, top.gradient_btc, sink);
        self.backward_embedding(model, state, gradient_btc, sink);
        top.loss
    }

    /// Walks forward only, without tapes or dropout.
    ///
    /// Returns the summed loss over the targets that count, `[1]`, in nats, without the z-loss.
    ///
    /// # Panics
    /// As [`Walk::train`].
    pub fn evaluate<B: TransformerBlock>(&self, model: &Transformer<B>, batch: MicroBatch) -> Tensor<1> {
        self.check_model("Walk::evaluate", model);
        let model = &model.valid();
        let (state, targets) = self.begin::<B>(batch, None, 0.0);
        let x_btc = model.embedding.clone().to_device(&self.device).forward(state.inputs.clone(), &state.frame, None);
        let x_btc = self.blocks(model, x_btc, state.frame());
        self.head_loss(model, x_btc, targets)
    }

    /// As [`Walk::evaluate`], of each row by itself, `[B]`. The head runs from the first to the last target of a row that
    /// counts, and over no other position.
    ///
    /// # Panics
    /// As [`Walk::train`], and as [`MicroBatch::new`].
    pub fn evaluate_rows<B: TransformerBlock>(&self, model: &Transformer<B>, batch: &Batch) -> Tensor<1> {
        self.check_model("Walk::evaluate_rows", model);
        let model = &model.valid();
        let micro_batch = MicroBatch::new(batch, &self.device);
        let (state, targets) = self.begin::<B>(micro_batch, None, 0.0);
        let x_btc = model.embedding.clone().to_device(&self.device).forward(state.inputs.clone(), &state.frame, None);
        let x_btc = self.blocks(model, x_btc, state.frame());
        let spans: Vec<Range<usize>> = batch.targets.chunks(self.time).map(counted).collect();
        self.head_losses(model, x_btc, targets, &spans)
    }
}

/// From the first target that counts to the last.
fn counted(targets: &[i32]) -> Range<usize> {
    let counts = |target: &i32| *target >= 0;
    let first = targets.iter().position(counts).unwrap_or(0);
    first..targets.iter().rposition(counts).map_or(first, |last| last + 1)
}
