//! The loop over steps, with evaluation and samples between them.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{module::Module, tensor::Tensor};
use hearth_data::{Batch, Batches, Tokenizer};
use hearth_model::generate::{Sampling, generate};

use super::throughput::Throughput;
use crate::{
    TrainConfig, TrainError,
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
    loss: Readback,
    grad_norm: Readback,
}

impl Pending {
    fn new(step: u64, outcome: StepOutcome) -> Self {
        Self {
            step,
            learning_rate: outcome.learning_rate,
            loss: Readback::new(outcome.loss),
            grad_norm: Readback::new(outcome.grad_norm),
        }
    }
}

/// The loop's state.
pub(super) struct Loop {
    pub config: TrainConfig,
    pub tokenizer: Tokenizer,
    pub trainer: Trainer,
    pub train: Batches,
    pub validation: Vec<Batch>,
    pub report: Report,
    pub throughput: Throughput,
    pub start: Instant,
    pub last_loss: f64,
    pub first_and_tenth: [Option<f64>; 2],
}

impl Loop {
    /// Runs steps until the limit or a stop; returns how many.
    pub fn steps(&mut self, total: u64, stop: &AtomicBool) -> Result<u64, TrainError> {
        let mut pending: Option<Pending> = None;
        let mut step = 0;
        while step < total && !stop.load(Ordering::Relaxed) {
            if due(step, self.config.evaluation.every) {
                self.settle(pending.take())?;
                self.evaluate(step)?;
            }
            if due(step, self.config.sample.every) {
                self.settle(pending.take())?;
                self.sample()?;
            }
            let batch = &self.config.batch;
            let first = step * (batch.micro_batch * batch.accumulation) as u64;
            let micro_batches: Vec<Batch> = (0..batch.accumulation)
                .map(|index| self.train.batch(first + (index * batch.micro_batch) as u64, batch.micro_batch))
                .collect();
            let outcome = self.trainer.step(step, &micro_batches);
            // The figures of a step are read once the next one is under way, so that the device never idles.
            self.settle(pending.replace(Pending::new(step, outcome)))?;
            if step == 0 {
                self.settle(pending.take())?;
            }
            step += 1;
        }
        self.settle(pending)?;
        Ok(step)
    }

    /// Reads a step's figures and reports them.
    fn settle(&mut self, pending: Option<Pending>) -> Result<(), TrainError> {
        let Some(Pending { step, learning_rate, loss, grad_norm }) = pending else { return Ok(()) };
        let (loss, grad_norm) = (scalar(loss)?, scalar(grad_norm)?);
        let elapsed = self.start.elapsed();
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
        let losses = self.validation.iter().map(|batch| self.trainer.evaluate(&model, batch));
        let total = losses.reduce(Tensor::add).expect("there is at least one validation batch");
        let counted: usize = self.validation.iter().map(Batch::counted).sum();
        let val_loss = scalar(Readback::new(total))? / counted as f64;
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
        let model = self.trainer.model().valid();
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

fn scalar(readback: Readback) -> Result<f64, TrainError> {
    let data = readback.wait().map_err(|error| TrainError::Device(format!("the device failed: {error:?}")))?;
    Ok(data.iter::<f32>().next().map_or(f64::NAN, f64::from))
}
