//! The walk: a training step runs the model's segments forward and then back.
//!
//! Between two segments there is one tensor, the residual stream `[B, T, C]`. Forward, each segment runs on a tape of
//! its own. Backward, from the last segment to the first, each segment's vector-Jacobian product turns the gradient of
//! its output into the gradient of its input, handed down, and of its parameters, handed to the [`Sink`].
//! Nothing here waits for the device.

mod segment;
mod sink;

use burn::tensor::{Device, Int, Tensor, TensorData};
use hearth_data::Batch;
use hearth_model::{CrossEntropy, Frame, Key, Transformer};

use segment::Tape;
pub use sink::Sink;

/// One micro-batch on the device.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// Token ids `[B, T]`.
    pub inputs: Tensor<2, Int>,
    /// The id that follows each position, `[B*T]`; negative where it does not count.
    pub targets: Tensor<1, Int>,
}

impl MicroBatch {
    /// Copies a batch to `device`.
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let shape = [batch.rows, batch.time];
        let device = &device.clone().without_autodiff();
        Self {
            inputs: Tensor::from_data(TensorData::new(batch.inputs.clone(), shape), device),
            targets: Tensor::from_data(TensorData::new(batch.targets.clone(), [batch.rows * batch.time]), device),
        }
    }
}

/// What a walk needs besides the model and the batch.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Rotations and masks for the batch's positions.
    pub frame: Frame,
    /// The loss over the head's logits.
    pub loss: CrossEntropy,
}

impl Walk {
    /// A walk for windows of `time` tokens.
    pub fn new(model: &Transformer, time: usize) -> Self {
        let device = model.output().device();
        Self { frame: Frame::new(model.config(), 0, time, &device), loss: model.cross_entropy() }
    }

    /// Walks forward and back; adds the gradients of `scale` times the summed loss to `sink`.
    ///
    /// With a `key`, dropout is on. Returns the summed loss over the targets that count, `[1]`, in nats.
    pub fn train(
        &self,
        model: &Transformer,
        batch: MicroBatch,
        key: Option<Key>,
        scale: f64,
        sink: &mut Sink,
    ) -> Tensor<1> {
        let segment_key = |segment: usize| key.map(|key| key.fold_in(segment as u64));

        let embedded = model.embedding.forward(batch.inputs, 0, segment_key(0));
        let mut x_btc = embedded.clone().inner();
        let mut tapes = Vec::with_capacity(model.blocks.len());
        for (layer, block) in model.blocks.iter().enumerate() {
            let tape = Tape::record(x_btc, |x| block.forward(x, &self.frame, segment_key(layer + 1)));
            x_btc = tape.output();
            tapes.push(tape);
        }

        // The head's loss has its gradient in closed form, so only its norm needs a tape.
        let [b, t, c] = x_btc.dims();
        let normed = Tape::record(x_btc, |x| model.head.norm.forward(x));
        let hidden_nc = normed.output().reshape([b * t, c]);
        let head = self.loss.loss_and_gradients(hidden_nc, model.output().inner(), batch.targets, scale);
        let output = model.head.output.as_ref().unwrap_or(&model.embedding.tokens);
        sink.add(output.id, head.output);

        let mut gradient_btc = normed.backward(&model.head.norm, head.hidden.reshape([b, t, c]), sink);
        for (block, tape) in model.blocks.iter().zip(tapes).rev() {
            gradient_btc = tape.backward(block, gradient_btc, sink);
        }
        segment::backward(&embedded, gradient_btc, |gradients| sink.take(gradients, &model.embedding));
        head.loss
    }

    /// Walks forward only, without tapes or dropout. The model must be without autodiff (`model.valid()`).
    ///
    /// Returns the summed loss over the targets that count, `[1]`, in nats.
    pub fn evaluate(&self, model: &Transformer, batch: MicroBatch) -> Tensor<1> {
        let mut x_btc = model.embedding.forward(batch.inputs, 0, None);
        for block in &model.blocks {
            x_btc = block.forward(x_btc, &self.frame, None);
        }
        let [b, t, c] = x_btc.dims();
        let hidden_nc = model.head.norm.forward(x_btc).reshape([b * t, c]);
        self.loss.loss(hidden_nc, model.output(), batch.targets)
    }
}
