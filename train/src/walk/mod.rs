//! The walk: a training step runs the model's segments forward and then back.
//!
//! Between two segments there is one tensor, the residual stream `[B, T, C]`. Forward, each segment runs and leaves
//! behind what its [`Policy`] says: a tape, or only its input. Backward, from the last segment to the first, its
//! vector-Jacobian product turns the gradient of its output into the gradient of its input, handed down, and of its
//! parameters, handed to the [`Sink`]. The policy decides what memory a walk takes and how long, and no bit of its result.
//!
//! Nothing here waits for the device, but for tensors that the policy has put into host memory: those were queued long
//! before, so that the device has work while the host waits.

mod parked;
mod policy;
mod sink;
mod tape;

use std::ops::Range;

use burn::{
    module::{Module, ParamId},
    tensor::{Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::{Block, CrossEntropy, Frame, Key, Transformer, TransformerConfig};
use hearth_wgsl::vjp;

use parked::Parked;
pub use policy::{Activations, Placement, Policy, Segment};
use tape::{Tape, boundary, fetch};

pub use sink::Sink;
#[cfg(not(target_family = "wasm"))]
pub(crate) use sink::norm_of;

/// One micro-batch on the device.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// Token ids `[B, T]`.
    pub inputs: Tensor<2, Int>,
    /// The id that follows each position, `[B*T]`; negative where it does not count.
    pub targets: Tensor<1, Int>,
    /// For rows of several documents: which of them each position belongs to, and where in it, both `[B, T]`.
    pub packing: Option<[Tensor<2, Int>; 2]>,
}

impl MicroBatch {
    /// Copies a batch to `device`.
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let device = &device.clone().without_autodiff();
        let grid =
            |values: &Vec<i32>| Tensor::from_data(TensorData::new(values.clone(), [batch.rows, batch.time]), device);
        Self {
            inputs: grid(&batch.inputs),
            packing: batch.packing.as_ref().map(|packed| [grid(&packed.documents), grid(&packed.positions)]),
            targets: Tensor::from_data(TensorData::new(batch.targets.clone(), [batch.rows * batch.time]), device),
        }
    }
}

/// What waits for a segment's backward pass.
enum Held {
    Tapes(Vec<Tape<Block>>),
    Input(Tensor<3>),
    Parked(Parked),
}

/// What a walk needs besides the model and the batch.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Where the segments run; without autodiff.
    pub device: Device,
    /// What is held for the backward pass, and where parameters live.
    pub policy: Policy,
    /// Positions and rotations of the batch.
    pub frame: Frame,
    /// The loss over the head's logits.
    pub loss: CrossEntropy,
    /// The number that the first of the model's blocks has in the whole model: 0, but for a part of one.
    pub first_layer: usize,
}

/// A micro-batch on its way up the segments and down again.
pub(crate) struct Passage {
    inputs: Tensor<2, Int>,
    frame: Frame,
    key: Option<Key>,
    held: Vec<Held>,
}

impl Passage {
    #[cfg(not(target_family = "wasm"))]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// What the head makes of a micro-batch.
pub(crate) struct Top {
    /// Summed over the targets that count, `[1]`, nats.
    pub loss: Tensor<1>,
    /// Of the residual stream.
    pub gradient_btc: Tensor<3>,
    /// Of a tied matrix, which is half of it: the embedding has the other. Empty where the head has its own.
    pub tied: Vec<(ParamId, Tensor<2>)>,
}

impl Walk {
    /// A walk on `device` for windows of `time` tokens, that keeps everything there.
    pub fn new(model: &TransformerConfig, time: usize, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self {
            policy: Policy::keep(model.layers),
            frame: Frame::new(model, 0, time, &device),
            loss: CrossEntropy::of(model),
            first_layer: 0,
            device,
        }
    }

    /// A walk over `model`'s blocks `blocks` alone: see [`Transformer::part`].
    pub fn over(model: &TransformerConfig, blocks: Range<usize>, time: usize, device: &Device) -> Self {
        let policy = Policy::keep(blocks.len());
        Self { policy, first_layer: blocks.start, ..Self::new(model, time, device) }
    }

    /// The model with each segment's parameters where the policy wants them.
    pub fn place(&self, model: Transformer) -> Transformer {
        let at = |placement: Placement| match placement {
            Placement::Device => self.device.clone().autodiff(),
            Placement::Host => Device::flex().autodiff(),
        };
        let mut model = model;
        model.embedding = model.embedding.fork(&at(self.policy.embedding));
        let blocks = model.blocks.into_iter().enumerate();
        model.blocks = blocks.map(|(layer, block)| block.fork(&at(self.policy.block(layer)))).collect();
        model.head = model.head.fork(&at(self.policy.head));
        model
    }

    /// Walks forward and back; adds the gradients of `scale` times the summed loss to `sink`.
    ///
    /// `model` must be where [`Walk::place`] puts it. With a `key`, dropout is on.
    /// Returns the summed loss over the targets that count, `[1]`, in nats.
    pub fn train(
        &self,
        model: &Transformer,
        batch: MicroBatch,
        key: Option<Key>,
        scale: f64,
        sink: &mut Sink,
    ) -> Tensor<1> {
        let (mut passage, targets) = self.passage(batch, key);
        let x_btc = self.embed(model, &passage);
        let x_btc = self.up(model, &mut passage, x_btc);
        let Top { loss, gradient_btc, tied } = self.head(model, x_btc, targets, scale, sink);
        tied.into_iter().for_each(|(id, half)| sink.hold(id, half, self.policy.embedding));
        let gradient_btc = self.down(model, &mut passage, gradient_btc, sink);
        self.embedding_down(model, passage, gradient_btc, sink);
        loss
    }

    /// What a micro-batch takes along, and its targets.
    pub(crate) fn passage(&self, batch: MicroBatch, key: Option<Key>) -> (Passage, Tensor<1, Int>) {
        let frame = self.frame(&batch);
        (Passage { inputs: batch.inputs, frame, key, held: Vec::new() }, batch.targets)
    }

    /// The embedding, forward.
    pub(crate) fn embed(&self, model: &Transformer, passage: &Passage) -> Tensor<3> {
        let embedding = fetch(&model.embedding, self.policy.embedding, &self.device).valid();
        let key = passage.key.map(|key| key.fold_in(0));
        let x_btc = embedding.forward(passage.inputs.clone(), &passage.frame, key);
        boundary(&self.device);
        x_btc
    }

    /// The blocks, forward.
    pub(crate) fn up(&self, model: &Transformer, passage: &mut Passage, mut x_btc: Tensor<3>) -> Tensor<3> {
        for segment in &self.policy.segments {
            let (holds, output) = self.forward(model, segment, x_btc, &passage.frame, passage.key);
            x_btc = output;
            if let Some(Held::Parked(earlier)) = passage.held.last_mut() {
                earlier.settle();
            }
            passage.held.push(holds);
        }
        x_btc
    }

    /// The blocks, backward: from the gradient of their output to that of their input.
    pub(crate) fn down(
        &self,
        model: &Transformer,
        passage: &mut Passage,
        mut gradient_btc: Tensor<3>,
        sink: &mut Sink,
    ) -> Tensor<3> {
        let held = std::mem::take(&mut passage.held);
        for (segment, held) in self.policy.segments.iter().zip(held).rev() {
            let tapes = match held {
                Held::Tapes(tapes) => tapes,
                Held::Input(input) => self.record(model, segment, input, &passage.frame, passage.key),
                Held::Parked(parked) => self.record(model, segment, parked.restore(), &passage.frame, passage.key),
            };
            for tape in tapes.into_iter().rev() {
                gradient_btc = tape.backward(gradient_btc, segment.parameters, sink);
            }
        }
        gradient_btc
    }

    /// The embedding, backward.
    pub(crate) fn embedding_down(
        &self,
        model: &Transformer,
        passage: Passage,
        gradient_btc: Tensor<3>,
        sink: &mut Sink,
    ) {
        let embedding = fetch(&model.embedding, self.policy.embedding, &self.device);
        let key = passage.key.map(|key| key.fold_in(0));
        let embedded = embedding.forward(passage.inputs, &passage.frame, key);
        let mut gradients = vjp(embedded, gradient_btc);
        for shard in &embedding.tokens.shards {
            sink.take(&mut gradients, shard, self.policy.embedding);
        }
        sink.take(&mut gradients, &embedding.positions, self.policy.embedding);
        sink.passed(&embedding);
        boundary(&self.device);
    }

    fn frame(&self, batch: &MicroBatch) -> Frame {
        match &batch.packing {
            Some([documents, positions]) => self.frame.packed(documents.clone(), positions.clone()),
            None => self.frame.clone(),
        }
    }

    /// A segment's output, and what its policy holds for the backward pass.
    fn forward(
        &self,
        model: &Transformer,
        segment: &Segment,
        input: Tensor<3>,
        frame: &Frame,
        key: Option<Key>,
    ) -> (Held, Tensor<3>) {
        if segment.activations == Activations::Keep {
            let tapes = self.record(model, segment, input, frame, key);
            let output = tapes.last().expect("a segment has blocks").output();
            return (Held::Tapes(tapes), output);
        }
        // Off the tape the same operations run in the same order, so a tape that is made later has the same bits.
        let mut x_btc = input.clone();
        for layer in segment.blocks.clone() {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device).valid();
            x_btc = block.forward(x_btc, frame, self.block_key(key, layer));
            boundary(&self.device);
        }
        let held = match segment.activations {
            Activations::Offload => Held::Parked(Parked::new(input)),
            _ => Held::Input(input),
        };
        (held, x_btc)
    }

    /// Runs a segment's blocks, each on a tape of its own.
    fn record(
        &self,
        model: &Transformer,
        segment: &Segment,
        input: Tensor<3>,
        frame: &Frame,
        key: Option<Key>,
    ) -> Vec<Tape<Block>> {
        let mut x_btc = input;
        let mut tapes = Vec::with_capacity(segment.blocks.len());
        for layer in segment.blocks.clone() {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device);
            let key = self.block_key(key, layer);
            let tape = Tape::record(block, x_btc, |block, x| block.forward(x, frame, key));
            x_btc = tape.output();
            tapes.push(tape);
        }
        tapes
    }

    /// The last segment, forward and back.
    ///
    /// The loss has its gradient in closed form, so only the norm needs a tape.
    pub(crate) fn head(
        &self,
        model: &Transformer,
        x_btc: Tensor<3>,
        targets: Tensor<1, Int>,
        scale: f64,
        sink: &mut Sink,
    ) -> Top {
        let [b, t, c] = x_btc.dims();
        let norm = fetch(&model.head.norm, self.policy.head, &self.device);
        let normed = Tape::record(norm, x_btc, |norm, x| norm.forward(x));
        let matrix_place = if model.head.output.is_some() { self.policy.head } else { self.policy.embedding };
        let matrix = fetch(model.output(), matrix_place, &self.device);
        let hidden_nc = normed.output().reshape([b * t, c]);
        let found = self.loss.loss_and_gradients(hidden_nc, &matrix.values(), targets, scale);
        let gradient_btc = normed.backward(found.hidden.reshape([b, t, c]), self.policy.head, sink);
        let gradients = matrix.shards.iter().map(|shard| shard.id).zip(found.output);
        let mut tied = Vec::new();
        if model.head.output.is_none() {
            tied = gradients.collect();
        } else {
            gradients.for_each(|(id, gradient)| sink.add(id, gradient, matrix_place));
            sink.passed(&matrix);
        }
        Top { loss: found.loss, gradient_btc, tied }
    }

    /// Where a block's dropout masks come from; the embedding has number 0.
    fn block_key(&self, key: Option<Key>, layer: usize) -> Option<Key> {
        key.map(|key| key.fold_in((self.first_layer + layer) as u64 + 1))
    }

    /// Walks forward only, without tapes or dropout. The model must be without autodiff (`model.valid()`).
    ///
    /// Returns the summed loss over the targets that count, `[1]`, in nats.
    pub fn evaluate(&self, model: &Transformer, batch: MicroBatch) -> Tensor<1> {
        let (passage, targets) = self.passage(batch, None);
        let x_btc = model.embedding.clone().to_device(&self.device).forward(passage.inputs, &passage.frame, None);
        let x_btc = self.blocks(model, x_btc, &passage.frame);
        self.head_loss(model, x_btc, targets)
    }

    /// The blocks forward only, as [`Walk::evaluate`].
    pub(crate) fn blocks(&self, model: &Transformer, mut x_btc: Tensor<3>, frame: &Frame) -> Tensor<3> {
        for block in &model.blocks {
            x_btc = block.clone().to_device(&self.device).forward(x_btc, frame, None);
        }
        x_btc
    }

    /// The head forward only, as [`Walk::evaluate`].
    pub(crate) fn head_loss(&self, model: &Transformer, x_btc: Tensor<3>, targets: Tensor<1, Int>) -> Tensor<1> {
        let [b, t, c] = x_btc.dims();
        let hidden_nc = model.head.norm.clone().to_device(&self.device).forward(x_btc).reshape([b * t, c]);
        let output = model.output().clone().to_device(&self.device).values();
        self.loss.loss(hidden_nc, &output, targets)
    }
}
