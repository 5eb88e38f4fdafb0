//! The loop over steps, with evaluation and samples between them.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Batches, Tokenizer};
use hearth_model::generate::{Sampling, generate};

use super::{
    first::{self, FIRST_STEPS},
    throughput::Throughput,
};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    plan::{Cut, Plan},
    readback::Readback,
    report::{Event, Report},
    step::{StepOutcome, Trainer},
};

/// Longer than this for a first step deserves a word.
const SLOW_START: Duration = Duration::from_secs(2);

/// A step whose figures are still on the way from the device.
struct Pending {
    step: u64,
    learning_rate: f64,
    /// The loss and the norm of the gradient, `[2]`.
    figures: Readback,
}

impl Pending {
    fn new(step: u64, outcome: StepOutcome) -> Self {
        Self {
            step,
            learning_rate: outcome.learning_rate,
            figures: Readback::new(Tensor::cat(vec![outcome.loss, outcome.grad_norm], 0)),
        }
    }
}

/// The loop's state.
pub(super) struct Loop {
    pub config: TrainConfig,
    /// How the batch is cut, and what it was predicted to take.
    pub plan: Plan,
    pub tokenizer: Tokenizer,
    pub trainer: Trainer,
    pub train: Batches,
    pub validation: Vec<Batch>,
    pub report: Report,
    pub throughput: Throughput,
    pub start: Instant,
    pub last_loss: f64,
    pub evaluated_at_start: bool,
    pub first_and_tenth: [Option<f64>; 2],
}

impl Loop {
    /// Runs steps until the limit or a stop; returns how many.
    ///
    /// The first steps are reported once all of them have gone well, so that a run that starts again with less memory
    /// leaves no trace in the metrics.
    pub fn steps(&mut self, total: u64, stop: &AtomicBool) -> Result<u64, TrainError> {
        let mut pending: Option<Pending> = None;
        let mut step = 0;
        let mut early = Vec::new();
        while step < total && !stop.load(Ordering::Relaxed) {
            if due(step, self.config.evaluation.every) && !(step == 0 && self.evaluated_at_start) {
                self.evaluated_at_start = true;
                self.settle(pending.take())?;
                self.evaluate(step)?;
            }
            if due(step, self.config.sample.every) {
                self.settle(pending.take())?;
                self.sample()?;
            }
            let micro_batches = self.micro_batches(step);
            step += 1;
            if step <= FIRST_STEPS {
                let outcome = first::step(&mut self.trainer, step - 1, &micro_batches, self.plan.peak_bytes())?;
                early.push((self.start.elapsed(), Pending::new(step - 1, outcome)));
                if step < FIRST_STEPS.min(total) {
                    continue;
                }
                for (at, pending) in std::mem::take(&mut early) {
                    self.settle_at(pending, at)?;
                }
                continue;
            }
            let outcome = self.trainer.step(step - 1, &micro_batches);
            // The figures of a step are read once the next one is under way, so that the device never idles.
            self.settle(pending.take())?;
            pending = Some(Pending::new(step - 1, outcome));
        }
        for (at, pending) in early {
            self.settle_at(pending, at)?;
        }
        self.settle(pending)?;
        Ok(step)
    }

    /// The run from its beginning under another plan, after what the last one held has been freed.
    pub fn again(self, plan: &Plan, device: &OpenDevice) -> Result<Self, TrainError> {
        let Self { config, trainer, .. } = self;
        drop(trainer);
        // What could not be made was said before; here only memory is given back.
        let _ = device.device.sync();
        device.device.memory_cleanup();
        let trainer = super::trainer(&config, &plan.cut, device)?;
        Ok(Self { config, trainer, plan: plan.clone(), start: Instant::now(), ..self })
    }

    /// The micro-batches of a step, cut as planned.
    fn micro_batches(&self, step: u64) -> Vec<Batch> {
        let Cut { micro_batch, accumulation, .. } = self.plan.cut;
        let first = step * (micro_batch * accumulation) as u64;
        (0..accumulation).map(|index| self.train.batch(first + (index * micro_batch) as u64, micro_batch)).collect()
    }

    /// Reads a step's figures and reports them.
    fn settle(&mut self, pending: Option<Pending>) -> Result<(), TrainError> {
        let Some(pending) = pending else { return Ok(()) };
        self.settle_at(pending, self.start.elapsed())
    }

    /// As [`Loop::settle`] for a step that was done at `elapsed`.
    fn settle_at(&mut self, pending: Pending, elapsed: Duration) -> Result<(), TrainError> {
        let Pending { step, learning_rate, figures } = pending;
        let [loss, grad_norm] = scalars(figures)?;
        self.throughput.step_done();
        if step == 0 {
            self.first_and_tenth[0] = Some(elapsed.as_secs_f64());
            if elapsed > SLOW_START {
                self.report.note(&format!("first step after {:.1} s", elapsed.as_secs_f64()));
            }
        } else if step == 9 {
            self.first_and_tenth[1] = Some(elapsed.as_secs_f64());
        }
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step, loss });
        }
        self.last_loss = loss;
        self.report.event(Event {
            train_loss: Some(loss),
            grad_norm: Some(grad_norm),
            lr: Some(learning_rate),
            tokens_per_second: self.throughput.recent(),
            mfu: self.throughput.mfu(),
            ..self.event(step)
        })?;
        Ok(())
    }

    /// The mean loss over the fixed validation batches, nats per token, reported.
    pub fn evaluate(&mut self, step: u64) -> Result<f64, TrainError> {
        let model = self.trainer.model().valid();
        let rows = self.plan.cut.micro_batch;
        let parts = self.validation.iter().flat_map(|batch| batch.split(rows));
        let losses = parts.map(|batch| self.trainer.evaluate(&model, &batch));
        let total = losses.reduce(Tensor::add).expect("there is at least one validation batch");
        let counted: usize = self.validation.iter().map(Batch::counted).sum();
        let [total] = scalars(Readback::new(total))?;
        let val_loss = total / counted as f64;
        self.report.event(Event { val_loss: Some(val_loss), ..self.event(step) })?;
        self.throughput.pause_over();
        Ok(val_loss)
    }

    /// Draws a text and shows it.
    pub fn sample(&mut self) -> Result<(), TrainError> {
        let sample = &self.config.sample;
        let prompt = self.tokenizer.encode(&sample.prompt)?;
        let sampling = Sampling {
            temperature: sample.temperature,
            top_k: sample.top_k,
            seed: self.config.seed,
            ..Sampling::default()
        };
        let mut model = self.trainer.model().valid();
        if self.plan.cut.policy.uses_host() {
            // Drawn token by token: uploading the model for each would take longer than the CPU does.
            model = model.to_device(&Device::flex());
        }
        let keep_on = |_| ControlFlow::Continue(());
        let ids = pollster::block_on(generate(&model, &prompt, sample.tokens, &sampling, keep_on))?;
        let text = self.tokenizer.decode(&ids)?;
        self.report.note(&format!("sample: {}{text}", sample.prompt));
        self.throughput.pause_over();
        Ok(())
    }

    fn event(&self, step: u64) -> Event {
        Event {
            step,
            tokens: step * self.config.tokens_per_step(),
            seconds: self.start.elapsed().as_secs_f64(),
            ..Event::default()
        }
    }
}

fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

fn scalars<const N: usize>(readback: Readback) -> Result<[f64; N], TrainError> {
    let data = readback.wait().map_err(|error| TrainError::Device(format!("the device failed: {error:?}")))?;
    let values: Vec<f64> = data.iter::<f32>().map(f64::from).collect();
    Ok(values.try_into().expect("a tensor of N numbers was queued"))
}
