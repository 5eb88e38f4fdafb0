//! The native driver of a run: data, device, the loop over steps, and what is left in the run's folder.

mod folder;
mod interrupt;
mod throughput;

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use hearth_data::{Batch, Batches, Tokenizer, Tokens};
use hearth_model::{
    Flops, ParameterCount, TransformerConfig,
    generate::{Sampling, generate},
};

pub use folder::RunFolder;
pub use interrupt::stop_on_ctrl_c;

use crate::{
    TrainConfig, TrainError,
    devices::{OpenDevice, matmul_flops},
    report::{Event, FrontKind, Report},
    step::{StepOptions, StepOutcome, Trainer},
};
use throughput::Throughput;

/// Longer than this for a first step deserves a word.
const SLOW_START: Duration = Duration::from_secs(2);

/// A run that is about to start.
pub struct Run {
    /// What to train, and how.
    pub config: TrainConfig,
    /// The whole text, training and validation part.
    pub text: String,
    /// Where.
    pub device: OpenDevice,
    /// Gets `config.toml`, `tokenizer.json`, `metrics.jsonl`, `model.safetensors` and `loss.svg`.
    pub folder: PathBuf,
    /// How progress is shown.
    pub front: FrontKind,
    /// Set it to end the run cleanly after the step at hand.
    pub stop: Arc<AtomicBool>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Updates made.
    pub steps: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Loss of the last step, nats per token.
    pub train_loss: f64,
    /// Loss on the validation set at the end, nats per token.
    pub val_loss: f64,
    /// Wall time of the loop, evaluation and samples included.
    pub seconds: f64,
    /// Training tokens a second, without evaluation and samples.
    pub tokens_per_second: f64,
    /// From the start of the loop until the first step's loss was there, and until the tenth's.
    pub first_and_tenth: [Option<f64>; 2],
    /// The loss picture.
    pub picture: PathBuf,
    /// Whether it ended before its limit.
    pub interrupted: bool,
}

/// A step whose figures are still on the way from the device.
struct Pending {
    step: u64,
    learning_rate: f64,
    loss: TensorData,
    grad_norm: TensorData,
}

impl Pending {
    fn new(step: u64, outcome: StepOutcome) -> Self {
        // On wgpu, `into_data` queues the copy; the wait is where the bytes are touched.
        Self {
            step,
            learning_rate: outcome.learning_rate,
            loss: outcome.loss.into_data(),
            grad_norm: outcome.grad_norm.into_data(),
        }
    }
}

/// The loop's state.
struct Loop {
    config: TrainConfig,
    tokenizer: Tokenizer,
    trainer: Trainer,
    train: Batches,
    validation: Vec<Batch>,
    report: Report,
    throughput: Throughput,
    start: Instant,
    last_loss: f64,
    first_and_tenth: [Option<f64>; 2],
}

impl Run {
    /// Trains to the limit or until stopped, and writes the run's folder.
    ///
    /// # Errors
    /// A text too short, a folder that cannot be written, a loss that is no number.
    pub fn go(self) -> Result<Summary, TrainError> {
        let Self { mut config, text, device, folder, front, stop } = self;
        let tokenizer = config.data.tokenizer.build(&text)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;
        let tokens = Tokens::new(tokenizer.encode(&text)?)?;
        let (train, validation) = tokens.split(config.data.validation_fraction)?;
        let context = config.model.context_length;
        let train = Batches::new(train, context, config.seed)?;
        let validation = Batches::new(validation, context, config.seed)?
            .evaluation(config.batch.micro_batch, config.evaluation.batches)
            .collect();

        let folder = RunFolder::create(folder)?;
        folder.write_config(&config)?;
        folder.write_tokenizer(&tokenizer)?;
        let total_steps = config.total_steps();
        let mut report = Report::start(folder.path(), total_steps, front, stop.clone())?;
        report.note(&describe(&config, &device));
        if let Some(note) = &device.note {
            report.note(note);
        }
        let model = config.model.init(config.seed, &device.device.clone().autodiff())?;
        if device.compiles_kernels {
            report.note(
                "compiling and choosing kernels for this device: the first steps are slow, later runs reuse them",
            );
        }
        let peak_flops = matmul_flops(&device.device);
        let flops_per_token = Flops::per_sequence(&config.model, context).training / context as f64;
        let trainer = Trainer::new(
            model,
            StepOptions {
                time: context,
                optimizer: config.optimizer.clone(),
                schedule: config.schedule.clone(),
                total_steps,
                z_loss: config.loss.z_loss,
                seed: config.seed,
            },
        );
        let mut run = Loop {
            throughput: Throughput::new(config.tokens_per_step(), flops_per_token / peak_flops),
            config,
            tokenizer,
            trainer,
            train,
            validation,
            report,
            start: Instant::now(),
            last_loss: f64::NAN,
            first_and_tenth: [None; 2],
        };
        let title = format!("{} · {}", model_name(&run.config.model), device.name);
        let steps = match run.steps(total_steps, &stop) {
            Ok(steps) => steps,
            Err(error) => {
                // The curve up to the fault is worth seeing; the fault is what the user must hear of.
                let _ = run.report.finish(&title);
                return Err(error);
            }
        };
        let val_loss = run.evaluate(steps)?;
        if run.config.sample.every > 0 {
            run.sample()?;
        }
        folder.write_model(&run.trainer.model().valid())?;
        let seconds = run.start.elapsed().as_secs_f64();
        let picture = run.report.finish(&title)?;
        Ok(Summary {
            steps,
            tokens: steps * run.config.tokens_per_step(),
            train_loss: run.last_loss,
            val_loss,
            seconds,
            tokens_per_second: run.throughput.mean().unwrap_or(f64::NAN),
            first_and_tenth: run.first_and_tenth,
            picture,
            interrupted: steps < total_steps,
        })
    }
}

impl Loop {
    /// Runs steps until the limit or a stop; returns how many.
    fn steps(&mut self, total: u64, stop: &AtomicBool) -> Result<u64, TrainError> {
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
        let (loss, grad_norm) = (scalar(&loss), scalar(&grad_norm));
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
    fn evaluate(&mut self, step: u64) -> Result<f64, TrainError> {
        let model = self.trainer.model().valid();
        let losses = self.validation.iter().map(|batch| self.trainer.evaluate(&model, batch));
        let total = losses.reduce(Tensor::add).expect("there is at least one validation batch");
        let counted: usize = self.validation.iter().map(Batch::counted).sum();
        let val_loss = scalar(&total.into_data()) / counted as f64;
        self.report.event(Event { val_loss: Some(val_loss), ..self.event(step) })?;
        self.throughput.pause_over();
        Ok(val_loss)
    }

    fn sample(&mut self) -> Result<(), TrainError> {
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

fn scalar(data: &TensorData) -> f64 {
    data.iter::<f32>().next().map_or(f64::NAN, f64::from)
}

/// Takes the vocabulary's size from the tokenizer, or checks that both agree.
fn fit_vocabulary(model: &mut TransformerConfig, tokenizer: &Tokenizer) -> Result<(), TrainError> {
    let size = tokenizer.vocab_size();
    if model.vocab_size == 0 {
        model.vocab_size = size;
    }
    if model.vocab_size < size {
        let reason = format!(
            "model.vocab_size = {}: the tokenizer has {size} ids; leave it out to take these",
            model.vocab_size
        );
        return Err(TrainError::Config { source_name: "configuration".into(), reason });
    }
    Ok(())
}

fn model_name(model: &TransformerConfig) -> String {
    let TransformerConfig { layers, heads, width, context_length, .. } = model;
    format!("L{layers} H{heads} C{width} T{context_length}")
}

fn describe(config: &TrainConfig, device: &OpenDevice) -> String {
    let parameters = ParameterCount::of(&config.model).total;
    format!(
        "{} parameters ({}), {} steps of {} tokens on {}",
        with_separators(parameters as u64),
        model_name(&config.model),
        with_separators(config.total_steps()),
        with_separators(config.tokens_per_step()),
        device.name
    )
}

/// 1234567 as `1,234,567`.
fn with_separators(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_separators() {
        let texts = [0, 999, 1000, 124_439_808].map(with_separators);
        assert_eq!(texts, ["0", "999", "1,000", "124,439,808"]);
    }
}
