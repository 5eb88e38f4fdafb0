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
use hearth_data::{Batch, Batches, Loader, Tokenizer};
use hearth_model::generate::{Sampling, generate};

use super::{first::with_refusals, throughput::Throughput};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    plan::Plan,
    readback::Readback,
    report::{Event, Report},
    step::{StepOutcome, Trainer},
};

/// Steps until everything that a step allocates has been allocated once: the second has the optimizer's state as well.
const FIRST_STEPS: u64 = 2;

/// Longer than this for a first step deserves a word.
const SLOW_START: Duration = Duration::from_secs(2);

/// A step whose figures are still on the way from the device.
struct Pending {
    step: u64,
    learning_rate: f64,
    /// The loss and the norm of the gradient, `[2]`.
    figures: Readback,
}

/// What one of the first steps came to, kept back until all of them have gone well.
struct First {
    validation_loss: Option<f64>,
    sample: Option<String>,
    pending: Pending,
    /// Since the start.
    done: Duration,
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
    pub train: Batches,
    /// Of the plan's micro-batches.
    pub loader: Loader,
    pub validation: Vec<Batch>,
    pub report: Report,
    pub throughput: Throughput,
    pub start: Instant,
    pub last_loss: f64,
    pub first_and_tenth: [Option<f64>; 2],
}

impl Loop {
    /// Makes the trainer and does the first steps, waiting for each; returns how many.
    ///
    /// They are reported once all of them have gone well, so that a run that starts again with less memory leaves no
    /// trace in the metrics.
    ///
    /// # Errors
    /// [`TrainError::OutOfMemory`] if the device refused memory: all that was made is then gone again.
    pub fn begin(&mut self, device: &OpenDevice, total: u64, stop: &AtomicBool) -> Result<(Trainer, u64), TrainError> {
        self.start = Instant::now();
        let begun = with_refusals(self.plan.peak_bytes(), || self.first_steps(device, total, stop));
        let (trainer, first) = begun.inspect_err(|_| {
            // What could not be made was said; here only memory is given back.
            let _ = device.device.sync();
            device.device.memory_cleanup();
        })?;
        let steps = first.len() as u64;
        for First { validation_loss, sample, pending, done } in first {
            if let Some(loss) = validation_loss {
                self.report_validation(pending.step, loss)?;
            }
            if let Some(text) = sample {
                self.report_sample(&text);
            }
            self.settle_at(pending, done)?;
        }
        self.throughput.start();
        Ok((trainer, steps))
    }

    fn first_steps(
        &mut self,
        device: &OpenDevice,
        total: u64,
        stop: &AtomicBool,
    ) -> Result<(Trainer, Vec<First>), TrainError> {
        let mut trainer = super::trainer(&self.config, &self.plan.cut, device)?;
        let mut first = Vec::new();
        for step in 0..FIRST_STEPS.min(total) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let evaluates = due(step, self.config.evaluation.every);
            let validation_loss = evaluates.then(|| self.validation_loss(&trainer)).transpose()?;
            let sample = due(step, self.config.sample.every).then(|| self.draw(&trainer)).transpose()?;
            let pending = Pending::new(step, self.step(&mut trainer, step)?);
            scalars::<1>(Readback::new(trainer.witness()))?;
            first.push(First { validation_loss, sample, pending, done: self.start.elapsed() });
        }
        Ok((trainer, first))
    }

    /// Runs the steps from number `first` on until the limit or a stop; returns the number after the last.
    pub fn steps(
        &mut self,
        trainer: &mut Trainer,
        first: u64,
        total: u64,
        stop: &AtomicBool,
    ) -> Result<u64, TrainError> {
        let mut pending: Option<Pending> = None;
        let mut step = first;
        while step < total && !stop.load(Ordering::Relaxed) {
            if due(step, self.config.evaluation.every) {
                self.settle(pending.take())?;
                self.evaluate(trainer, step)?;
            }
            if due(step, self.config.sample.every) {
                self.settle(pending.take())?;
                self.sample(trainer)?;
            }
            let outcome = self.step(trainer, step)?;
            // The figures of a step are read once the next one is under way, so that the device never idles.
            self.settle(pending.take())?;
            pending = Some(Pending::new(step, outcome));
            step += 1;
        }
        self.settle(pending)?;
        Ok(step)
    }

    /// Does a step with the micro-batches that it has, cut as planned. Nothing waits.
    fn step(&mut self, trainer: &mut Trainer, step: u64) -> Result<StepOutcome, TrainError> {
        let count = self.plan.cut.accumulation as u64;
        let numbers = step * count..(step + 1) * count;
        let micro_batches = numbers.map(|number| self.loader.batch(number)).collect::<Result<Vec<_>, _>>()?;
        let outcome = trainer.step(step, &micro_batches, &crate::guard::Ceiling::FINITE);
        micro_batches.into_iter().for_each(|batch| self.loader.give_back(batch));
        Ok(outcome)
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
        if step >= FIRST_STEPS {
            self.throughput.step_done();
        }
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
    pub fn evaluate(&mut self, trainer: &Trainer, step: u64) -> Result<f64, TrainError> {
        let loss = self.validation_loss(trainer)?;
        self.report_validation(step, loss)?;
        Ok(loss)
    }

    fn validation_loss(&self, trainer: &Trainer) -> Result<f64, TrainError> {
        let model = trainer.model().valid();
        let rows = self.plan.cut.micro_batch;
        let parts = self.validation.iter().flat_map(|batch| batch.split(rows));
        let losses = parts.map(|batch| trainer.evaluate(&model, &batch));
        let total = losses.reduce(Tensor::add).expect("there is at least one validation batch");
        let counted: usize = self.validation.iter().map(Batch::counted).sum();
        let [total] = scalars(Readback::new(total))?;
        Ok(total / counted as f64)
    }

    fn report_validation(&mut self, step: u64, loss: f64) -> Result<(), TrainError> {
        self.report.event(Event { val_loss: Some(loss), ..self.event(step) })?;
        self.throughput.pause_over();
        Ok(())
    }

    /// Draws a text and shows it.
    pub fn sample(&mut self, trainer: &Trainer) -> Result<(), TrainError> {
        let text = self.draw(trainer)?;
        self.report_sample(&text);
        Ok(())
    }

    fn draw(&self, trainer: &Trainer) -> Result<String, TrainError> {
        let sample = &self.config.sample;
        let prompt = self.tokenizer.encode(&sample.prompt)?;
        let sampling = Sampling {
            temperature: sample.temperature,
            top_k: sample.top_k,
            seed: self.config.seed,
            ..Sampling::default()
        };
        let mut model = trainer.model().valid();
        if self.plan.cut.policy.uses_host() {
            // Drawn token by token: uploading the model for each would take longer than the CPU does.
            model = model.to_device(&Device::flex());
        }
        let keep_on = |_| ControlFlow::Continue(());
        let ids = pollster::block_on(generate(&model, &prompt, sample.tokens, &sampling, keep_on))?;
        Ok(self.tokenizer.decode(&ids)?)
    }

    fn report_sample(&mut self, text: &str) {
        self.report.note(&format!("sample: {}{text}", self.config.sample.prompt));
        self.throughput.pause_over();
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
