//! One training step: micro-batches, accumulation, clipping, update.

use burn::{optim::ModuleOptimizer, tensor::Tensor};
use hearth_data::Batch;
use hearth_model::{Key, Transformer};

use crate::{
    optim::{OptimizerConfig, Schedule, adamw, clip, global_norm},
    walk::{MicroBatch, Sink, Walk},
};

/// A model with its optimizer.
pub struct Trainer {
    model: Transformer,
    optimizer: ModuleOptimizer,
    walk: Walk,
    options: StepOptions,
}

/// What a step needs to know besides its data.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// Tokens of a window, `T`; at most the model's context length.
    pub time: usize,
    /// AdamW's settings.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course.
    pub schedule: Schedule,
    /// Steps of the whole run, which the schedule looks at.
    pub total_steps: u64,
    /// Weight of the squared log-normaliser in the loss.
    pub z_loss: f64,
    /// Where dropout's masks come from.
    pub seed: u64,
}

/// What a step did. The tensors are on the device, not waited for.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// Mean loss over the counted targets before the update, `[1]`, nats.
    pub loss: Tensor<1>,
    /// Global L2 norm of the gradient before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Learning rate of the update.
    pub learning_rate: f64,
}

impl Trainer {
    /// Trains `model`, which must be on a device with autodiff, on windows of `options.time` tokens.
    pub fn new(model: Transformer, options: StepOptions) -> Self {
        let mut walk = Walk::new(&model, options.time);
        walk.loss.z_loss = options.z_loss;
        let optimizer = adamw(&options.optimizer, &model);
        Self { model, optimizer, walk, options }
    }

    /// The model as it is now, with autodiff.
    pub fn model(&self) -> &Transformer {
        &self.model
    }

    /// The walk that a step takes.
    pub fn walk(&self) -> &Walk {
        &self.walk
    }

    /// The gradients of the mean loss over all micro-batches, and that loss.
    ///
    /// The mean is over counted targets, so a micro-batch weighs as many targets as it has.
    pub fn gradients(&self, step: u64, micro_batches: &[Batch]) -> (Tensor<1>, Sink) {
        let counted: usize = micro_batches.iter().map(Batch::counted).sum();
        let scale = 1.0 / counted.max(1) as f64;
        let key = (self.model.config().dropout > 0.0).then(|| Key::new(self.options.seed).fold_in(step));
        let device = self.model.output().device();
        let mut sink = Sink::default();
        let mut total: Option<Tensor<1>> = None;
        for (index, batch) in micro_batches.iter().enumerate() {
            let key = key.map(|key| key.fold_in(index as u64));
            let loss = self.walk.train(&self.model, MicroBatch::new(batch, &device), key, scale, &mut sink);
            total = Some(match total {
                Some(total) => total + loss,
                None => loss,
            });
        }
        let total = total.expect("a step has at least one micro-batch");
        (total * scale, sink)
    }

    /// Does step number `step` (from 0): walks every micro-batch and updates the parameters.
    ///
    /// # Panics
    /// If there is no micro-batch, or its windows have another length than the options say.
    pub fn step(&mut self, step: u64, micro_batches: &[Batch]) -> StepOutcome {
        let (loss, sink) = self.gradients(step, micro_batches);
        let mut gradients = sink.into_inner();
        let grad_norm = global_norm(&self.model, &gradients);
        let StepOptions { optimizer, schedule, total_steps, .. } = &self.options;
        if optimizer.clip_norm > 0.0 {
            clip(&self.model, &mut gradients, grad_norm.clone(), optimizer.clip_norm);
        }
        let learning_rate = schedule.learning_rate(step, *total_steps, optimizer.learning_rate);
        // The optimizer consumes the model; a clone of the handles stands in for the moment.
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        StepOutcome { loss, grad_norm, learning_rate }
    }

    /// The summed loss `[1]` of a batch without dropout or gradients, in nats.
    ///
    /// `model` is [`Trainer::model`] without autodiff (`.valid()`).
    pub fn evaluate(&self, model: &Transformer, batch: &Batch) -> Tensor<1> {
        self.walk.evaluate(model, MicroBatch::new(batch, &model.output().device()))
    }
}
