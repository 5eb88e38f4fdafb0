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

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::{Block, CrossEntropy, Frame, Key, Transformer, TransformerConfig};
use hearth_wgsl::vjp;

use parked::Parked;
pub use policy::{Activations, Placement, Policy, Segment};
use tape::{Tape, boundary, fetch};

pub use sink::Sink;

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
}

impl Walk {
    /// A walk on `device` for windows of `time` tokens, that keeps everything there.
    pub fn new(model: &TransformerConfig, time: usize, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self {
            policy: Policy::keep(model.layers),
            frame: Frame::new(model, 0, time, &device),
            loss: CrossEntropy::of(model),
            device,
        }
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
        let frame = &self.frame(&batch);
        let embedding_key = key.map(|key| key.fold_in(0));
        let fetch_embedding = || fetch(&model.embedding, self.policy.embedding, &self.device);

        let mut x_btc = fetch_embedding().valid().forward(batch.inputs.clone(), frame, embedding_key);
        boundary(&self.device);
        let mut held = Vec::with_capacity(self.policy.segments.len());
        for segment in &self.policy.segments {
            let (holds, output) = self.forward(model, segment, x_btc, frame, key);
            x_btc = output;
            if let Some(Held::Parked(earlier)) = held.last_mut() {
                earlier.settle();
            }
            held.push(holds);
        }

        let (loss, mut gradient_btc) = self.head(model, x_btc, batch.targets, scale, sink);

        for (segment, held) in self.policy.segments.iter().zip(held).rev() {
            let tapes = match held {
                Held::Tapes(tapes) => tapes,
                Held::Input(input) => self.record(model, segment, input, frame, key),
                Held::Parked(parked) => self.record(model, segment, parked.restore(), frame, key),
            };
            for tape in tapes.into_iter().rev() {
                gradient_btc = tape.backward(gradient_btc, segment.parameters, sink);
            }
        }
        let embedding = fetch_embedding();
        let embedded = embedding.forward(batch.inputs, frame, embedding_key);
        let mut gradients = vjp(embedded, gradient_btc);
        for shard in &embedding.tokens.shards {
            sink.take(&mut gradients, shard, self.policy.embedding);
        }
        sink.take(&mut gradients, &embedding.positions, self.policy.embedding);
        sink.passed(&embedding);
        boundary(&self.device);
        loss
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
            x_btc = block.forward(x_btc, frame, block_key(key, layer));
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
            let tape = Tape::record(block, x_btc, |block, x| block.forward(x, frame, block_key(key, layer)));
            x_btc = tape.output();
            tapes.push(tape);
        }
        tapes
    }

    /// The last segment, forward and back: the summed loss `[1]`, and the gradient of the residual stream.
    ///
    /// The loss has its gradient in closed form, so only the norm needs a tape.
    fn head(
        &self,
        model: &Transformer,
        x_btc: Tensor<3>,
        targets: Tensor<1, Int>,
        scale: f64,
        sink: &mut Sink,
    ) -> (Tensor<1>, Tensor<3>) {
        let [b, t, c] = x_btc.dims();
        let norm = fetch(&model.head.norm, self.policy.head, &self.device);
        let normed = Tape::record(norm, x_btc, |norm, x| norm.forward(x));
        let matrix_place = if model.head.output.is_some() { self.policy.head } else { self.policy.embedding };
        let matrix = fetch(model.output(), matrix_place, &self.device);
        let hidden_nc = normed.output().reshape([b * t, c]);
        let found = self.loss.loss_and_gradients(hidden_nc, &matrix.values(), targets, scale);
        let gradient_btc = normed.backward(found.hidden.reshape([b, t, c]), self.policy.head, sink);
        let tied = model.head.output.is_none();
        for (shard, gradient) in matrix.shards.iter().zip(found.output) {
            match tied {
                true => sink.hold(shard.id, gradient, matrix_place),
                false => sink.add(shard.id, gradient, matrix_place),
            }
        }
        if !tied {
            sink.passed(&matrix);
        }
        (found.loss, gradient_btc)
    }

    /// Walks forward only, without tapes or dropout. The model must be without autodiff (`model.valid()`).
    ///
    /// Returns the summed loss over the targets that count, `[1]`, in nats.
    pub fn evaluate(&self, model: &Transformer, batch: MicroBatch) -> Tensor<1> {
        let frame = &self.frame(&batch);
        let mut x_btc = model.embedding.clone().to_device(&self.device).forward(batch.inputs, frame, None);
        for block in &model.blocks {
            x_btc = block.clone().to_device(&self.device).forward(x_btc, frame, None);
        }
        let [b, t, c] = x_btc.dims();
        let hidden_nc = model.head.norm.clone().to_device(&self.device).forward(x_btc).reshape([b * t, c]);
        let output = model.output().clone().to_device(&self.device).values();
        self.loss.loss(hidden_nc, &output, batch.targets)
    }
}

/// Where a block's dropout masks come from; the embedding has number 0.
fn block_key(key: Option<Key>, layer: usize) -> Option<Key> {
    key.map(|key| key.fold_in(layer as u64 + 1))
}
