//! One training step: micro-batches, accumulation, clipping, update.

#[cfg(test)]
mod tests;

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Bool, Device, Tensor},
};
use hearth_data::Batch;
use hearth_model::{Block, Experts, Key, Transformer, TransformerBlock};
use hearth_wgsl::on_all_cores;

use crate::{
    guard::Ceiling,
    optim::{Optimizer, OptimizerConfig, Schedule, Update, clip_factor},
    walk::{MicroBatch, Sink, Walk},
};
#[cfg(not(target_family = "wasm"))]
use crate::{optim::OptimizerShard, plan::Cut};

/// A model with its optimizer: takes training steps on one device.
///
/// The crate's front page has an example.
///
/// [`Trainer::step`] updates by the rules of an [`Optimizer`] and a [`Schedule`]; rules of one's own come with
/// [`Trainer::with_optimizer`], a schedule of one's own with [`Trainer::with_schedule`], and [`Trainer::step_by`] takes an
/// optimizer of Burn's. The model's blocks may be one's own too: see [`TransformerBlock`].
pub struct Trainer<B: TransformerBlock = Block> {
    /// Absent while the optimizer has it: a second handle would keep every parameter in memory twice.
    model: Option<Transformer<B>>,
    optimizer: Optimizer,
    walk: Walk,
    options: StepOptions,
    /// The learning rate of each step, where it is not the options' schedule that says it.
    schedule: Option<Box<OwnSchedule>>,
    /// Multiplies the loss, and with it every gradient; 1 but for tests of the guards.
    pub loss_factor: f64,
}

/// The learning rate of a step, from 0.
type OwnSchedule = dyn Fn(u64) -> f64 + Send + Sync;

/// What a step needs to know besides its data. To set some: `StepOptions { seed: 5, ..StepOptions::new(1000) }`.
#[derive(Clone, Debug)]
pub struct StepOptions {
    /// The optimizer's settings.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course.
    pub schedule: Schedule,
    /// Steps of the whole run, which the schedule looks at.
    pub total_steps: u64,
    /// Where dropout's masks come from.
    pub seed: u64,
}

impl StepOptions {
    /// The defaults of [`OptimizerConfig`] and [`Schedule`] for a run of `total_steps`, and seed 0.
    pub fn new(total_steps: u64) -> Self {
        Self { optimizer: OptimizerConfig::default(), schedule: Schedule::default(), total_steps, seed: 0 }
    }
}

/// What a step did. The tensors are on the device, not waited for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepOutcome {
    /// Mean loss over the counted targets before the update, `[1]`, nats.
    pub loss: Tensor<1>,
    /// Global L2 norm of the gradient before clipping, `[1]`.
    pub grad_norm: Tensor<1>,
    /// Whether the update was made, `[1]`.
    pub wanted: Tensor<1, Bool>,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Of a model with experts: the most positions that one of them had above the mean of its block, `[1]`.
    pub overload: Option<Tensor<1>>,
}

/// What a rank did in a step, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RankFigures {
    /// Time from the step's start until the rank's own gradients had all left the device.
    pub walk: f64,
    /// Time in transfers, most of them while it walked.
    pub transfer: f64,
    /// Time blocked for want of what others had not sent, in the step before.
    pub wait: f64,
}

impl<B: TransformerBlock> Trainer<B> {
    /// Trains `model`, which may be on any device, with autodiff or without: its parameters are moved to where the walk's
    /// policy wants them. Those that are frozen (`no_grad`, or a group of the
    /// optimizer's) get no gradient and stay as they are.
    ///
    /// # Panics
    /// If `walk` was made for another model: see [`Walk::place`].
    pub fn new(model: Transformer<B>, walk: Walk, options: StepOptions) -> Self {
        let model = walk.place(options.optimizer.freeze(model));
        let optimizer = Optimizer::new(&options.optimizer, &model, model.config().width);
        Self::placed(model, walk, options, optimizer)
    }

    /// As [`Trainer::new`] with an optimizer that knows the parameters of `model`, which may be a stage.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn with(model: Transformer<B>, walk: Walk, options: StepOptions, optimizer: Optimizer) -> Self {
        Self::placed(walk.place(model), walk, options, optimizer)
    }

    fn placed(model: Transformer<B>, walk: Walk, options: StepOptions, optimizer: Optimizer) -> Self {
        Self { model: Some(model), optimizer, walk, options, schedule: None, loss_factor: 1.0 }
    }

    /// The same trainer with another optimizer, which was made for its model: [`Optimizer::by`].
    pub fn with_optimizer(self, optimizer: Optimizer) -> Self {
        Self { optimizer, ..self }
    }

    /// The same trainer with learning rates that are `schedule`'s, told the number of the step, from 0:
    /// `trainer.with_schedule(|step| 0.01 / (step as f64 + 1.0).sqrt())`. It must say the same of a step whenever it is asked,
    /// or a run that goes on is another.
    pub fn with_schedule(self, schedule: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self { schedule: Some(Box::new(schedule)), ..self }
    }

    /// The model as it is now, with autodiff.
    pub fn model(&self) -> &Transformer<B> {
        self.model.as_ref().expect("the optimizer gives the model back")
    }

    /// The model without autodiff, with the weights that it is measured and used with: the optimizer's averages where it keeps
    /// some, which are then a second copy of the parameters, else those of [`Trainer::model`].
    pub fn evaluated(&self) -> Transformer<B> {
        self.optimizer.evaluated(self.model().clone()).valid()
    }

    /// The optimizer as it is now.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Exchanges the model, which stays where it is, and the optimizer's state.
    pub fn replace(&mut self, new: impl FnOnce(Transformer<B>, &mut Optimizer) -> Transformer<B>) {
        let model = self.model.take().expect("the optimizer gives the model back");
        self.model = Some(new(model, &mut self.optimizer));
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn options(&self) -> &StepOptions {
        &self.options
    }

    /// The walk that a step takes.
    pub fn walk(&self) -> &Walk {
        &self.walk
    }

    /// The gradients of the mean loss over all micro-batches, and that loss.
    ///
    /// The mean is over counted targets, so a micro-batch weighs as many targets as it has.
    ///
    /// # Panics
    /// As [`Trainer::step`].
    pub fn gradients(&self, step: u64, micro_batches: &[Batch]) -> (Tensor<1>, Sink) {
        let counted = micro_batches.iter().map(Batch::counted).sum();
        let mut sink = Sink::default();
        let total = self.walk_all(step, 0, micro_batches, counted, &mut sink);
        (total * self.scale(counted), sink)
    }

    /// What the sum over `counted` targets is multiplied by.
    pub(crate) fn scale(&self, counted: usize) -> f64 {
        self.loss_factor / counted.max(1) as f64
    }

    /// Where the dropout masks of a step come from, if there are any.
    pub(crate) fn key(&self, step: u64) -> Option<Key> {
        self.model().config().has_dropout().then(|| Key::new(self.options.seed).fold_in(step))
    }

    /// Walks every micro-batch, of which the first is number `first` of the global batch, which has `counted` targets that
    /// count. Returns the summed loss, `[1]`.
    pub(crate) fn walk_all(
        &self,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        counted: usize,
        sink: &mut Sink,
    ) -> Tensor<1> {
        assert!(!micro_batches.is_empty(), "Trainer: step {step} has no micro-batch, and needs at least one");
        let scale = self.scale(counted);
        let key = self.key(step);
        let mut total: Option<Tensor<1>> = None;
        for (index, batch) in micro_batches.iter().enumerate() {
            if index + 1 == micro_batches.len() {
                sink.expect_last();
            }
            let key = key.map(|key| key.fold_in((first + index) as u64));
            let loss = self.walk.train(self.model(), MicroBatch::new(batch, &self.walk.device), key, scale, sink);
            total = Some(match total {
                Some(total) => total + loss,
                None => loss,
            });
        }
        total.expect("there is a micro-batch")
    }

    /// Does step number `step` (from 0): walks every micro-batch and updates the parameters, unless the loss or the
    /// norm of the gradient is above `ceiling`.
    ///
    /// # Panics
    /// If there is no micro-batch, its windows have another length than the walk's, or it has ids beyond the model's
    /// vocabulary; on every device, before anything is computed. If every parameter is frozen.
    pub fn step(&mut self, step: u64, micro_batches: &[Batch], ceiling: &Ceiling) -> StepOutcome {
        let device = self.walk.device.clone();
        on_all_cores(&device, || {
            let (loss, sink) = self.gradients(step, micro_batches);
            self.update(step, loss, sink, ceiling)
        })
    }

    /// As [`Trainer::step`], but `optimizer` makes the update, given the model, its gradients and the learning rate of the step:
    /// one of Burn's, whose state is the caller's to save. Gradients are not clipped and no update is left out.
    ///
    /// ```
    /// # use hearth_data::Batch;
    /// # use hearth_model::preset;
    /// # use hearth_train::{StepOptions, Trainer, Walk, burn::{optim::SgdConfig, tensor::Device}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut config = preset("stories260k")?;
    /// # (config.layers, config.vocab_size, config.context_length) = (1, 32, 8);
    /// # let ids = |first: i32| (first..first + 8).collect();
    /// # let batch = Batch { inputs: ids(0), targets: ids(1), rows: 1, time: 8, packing: None };
    /// # let device = Device::flex();
    /// # let model = config.init(1, &device)?;
    /// # let walk = Walk::new(&config, 8, &device);
    /// let mut trainer = Trainer::new(model, walk, StepOptions::new(3)).with_schedule(|_| 0.1);
    /// let mut sgd = SgdConfig::new().init();
    /// let mut step = |number| {
    ///     let batches = [batch.clone()];
    ///     let outcome = trainer.step_by(number, &batches, |model, gradients, rate| sgd.step(rate, model, gradients));
    ///     outcome.loss.into_scalar::<f32>()
    /// };
    /// let losses = [step(0), step(1), step(2)];
    /// assert!(losses[2] < losses[1] && losses[1] < losses[0] - 0.1, "{losses:?}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// As [`Trainer::step`].
    pub fn step_by(
        &mut self,
        step: u64,
        micro_batches: &[Batch],
        optimizer: impl FnOnce(Transformer<B>, GradientsParams, f64) -> Transformer<B> + Send,
    ) -> StepOutcome {
        let device = self.walk.device.clone();
        on_all_cores(&device, || {
            let (loss, sink) = self.gradients(step, micro_batches);
            let figures = [loss, sink.norm(self.model())];
            let (outcome, update, gradients) = self.prepare(step, figures, sink, &Ceiling::FINITE);
            self.replace(|model, _| optimizer(model, gradients, update.learning_rate));
            StepOutcome { wanted: Tensor::from_data([true], &device), ..outcome }
        })
    }

    /// Updates the parameters by the gradients in `sink`, unless the mean `loss` or their norm is above `ceiling`.
    pub(crate) fn update(&mut self, step: u64, loss: Tensor<1>, sink: Sink, ceiling: &Ceiling) -> StepOutcome {
        let grad_norm = sink.norm(self.model());
        self.update_by(step, [loss, grad_norm], sink, ceiling)
    }

    /// As [`Trainer::update`], where the loss and the norm are known.
    pub(crate) fn update_by(
        &mut self,
        step: u64,
        figures: [Tensor<1>; 2],
        sink: Sink,
        ceiling: &Ceiling,
    ) -> StepOutcome {
        let (outcome, update, gradients) = self.prepare(step, figures, sink, ceiling);
        self.replace(|model, optimizer| optimizer.step(model, gradients, update));
        outcome
    }

    /// What the update of a step with this loss and norm will come to, and what the optimizer needs for it.
    pub(crate) fn prepare(
        &self,
        step: u64,
        [loss, grad_norm]: [Tensor<1>; 2],
        sink: Sink,
        ceiling: &Ceiling,
    ) -> (StepOutcome, Update, GradientsParams) {
        let StepOptions { optimizer, schedule, total_steps, .. } = &self.options;
        let factor = (optimizer.clip_norm > 0.0).then(|| clip_factor(grad_norm.clone(), optimizer.clip_norm));
        let gradients = sink.into_gradients(self.model());
        let learning_rate = match &self.schedule {
            Some(own) => own(step),
            None => schedule.learning_rate(step, *total_steps, optimizer.learning_rate),
        };
        let wanted = ceiling.admits(&loss, &grad_norm);
        let update = Update { learning_rate, number: step, factor, wanted: wanted.clone() };
        let overload = self.overload(&gradients);
        (StepOutcome { loss, grad_norm, wanted, learning_rate, overload }, update, gradients)
    }

    /// The largest "gradient" of a router's bias: see [`Experts::bias`].
    fn overload(&self, gradients: &GradientsParams) -> Option<Tensor<1>> {
        let biases = self.model().blocks.iter().filter_map(TransformerBlock::router_bias);
        let loads: Vec<Tensor<1>> = biases.filter_map(|id| gradients.get::<1>(id)).collect();
        let device = &self.walk.device;
        let most = |loads: Vec<Tensor<1>>| Tensor::cat(loads, 0).max().div_scalar(Experts::LOAD);
        (!loads.is_empty()).then(|| most(loads.into_iter().map(|load| load.to_device(device)).collect()))
    }

    /// Takes the steps from here on as `cut` says; it must keep parameters where they are.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn recut(&mut self, cut: &Cut) {
        self.walk.policy = cut.policy.clone();
        self.walk.loss.chunk = cut.logits_chunk;
    }

    /// From here on the optimizer keeps the state of `shard`'s parts alone.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn shard(&mut self, shard: OptimizerShard) {
        self.replace(|model, optimizer| {
            optimizer.shard(&model, shard);
            model
        });
    }

    /// A number that depends on every parameter on the device, `[1]`: reading it says whether all of them could be made.
    pub fn witness(&self) -> Tensor<1> {
        let sum = Tensor::zeros([1], &self.walk.device);
        let mut witness = Witness { device: self.walk.device.clone(), experts: &self.walk.expert_devices, sum };
        self.model().visit(&mut witness);
        witness.sum
    }

    /// The summed loss `[1]` of a batch without dropout, gradients or z-loss, in nats.
    ///
    /// `model` is [`Trainer::evaluated`], or [`Trainer::model`] without autodiff (`.valid()`).
    ///
    /// # Panics
    /// As [`Walk::evaluate`].
    pub fn evaluate(&self, model: &Transformer<B>, batch: &Batch) -> Tensor<1> {
        self.walk.evaluate(model, MicroBatch::new(batch, &self.walk.device))
    }
}

/// Sums one element of each parameter.
struct Witness<'a> {
    device: Device,
    experts: &'a [Device],
    sum: Tensor<1>,
}

impl ModuleVisitor for Witness<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        if value.device() == self.device || self.experts.contains(&value.device()) {
            let first = value.slice(std::array::from_fn::<_, D, _>(|_| 0..1)).reshape([1]);
            self.sum = self.sum.clone() + first.to_device(&self.device);
        }
    }
}
