//! The native driver of a run: data, device, the loop over steps, and what is left in the run's folder.

mod data;
mod first;
mod folder;
mod interrupt;
mod steps;
mod throughput;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use burn::{module::Module, tensor::Device};
use hearth_data::{Batches, Loader, Share, Tokenizer};
use hearth_model::{Flops, ParameterCount, TransformerConfig};

use data::RunData;
pub use data::tokenizer;
pub use folder::RunFolder;
pub use interrupt::stop_on_ctrl_c;

use crate::{
    TrainConfig, TrainError,
    devices::{OpenDevice, matmul_flops},
    plan::{Choice, Cut, Rates, choose, mib},
    report::{FrontKind, Report},
    step::{StepOptions, Trainer},
    walk::Walk,
};
use steps::Loop;
use throughput::Throughput;

/// A run that is about to start.
pub struct Run {
    /// What to train, and how.
    pub config: TrainConfig,
    /// The text to learn from, training and validation part, where it is not what `config.data` names.
    pub text: Option<String>,
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

impl Run {
    /// Trains to the limit or until stopped, and writes the run's folder.
    ///
    /// # Errors
    /// A text too short, a folder that cannot be written, a loss that is no number.
    pub fn go(self) -> Result<Summary, TrainError> {
        let Self { mut config, text, device, folder, front, stop } = self;
        let RunData { tokenizer, train, validation } = RunData::open(&config, text)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;

        let folder = RunFolder::create(folder)?;
        folder.write_config(&config)?;
        folder.write_tokenizer(&tokenizer)?;
        let total_steps = config.total_steps();
        let mut report = Report::start(folder.path(), total_steps, front, stop.clone())?;
        report.note(&describe(&config, &device));
        if let Some(note) = &device.note {
            report.note(note);
        }
        if device.compiles_kernels {
            report.note(
                "compiling and choosing kernels for this device: the first steps are slow, later runs reuse them",
            );
        }
        let peak_flops = matmul_flops(&device.device);
        let context = config.model.context_length;
        let flops_per_token = Flops::per_sequence(&config.model, context).training / context as f64;
        let rates = Rates { flops: peak_flops, ..Rates::default() };
        let mut choice = choose(&config, &device.limits, &rates)?;
        report.note(&plan_note(&choice));
        let mut run = Loop {
            throughput: Throughput::new(config.tokens_per_step(), flops_per_token / peak_flops),
            plan: choice.plan.clone(),
            config,
            tokenizer,
            loader: loader(&train, &choice.plan.cut)?,
            train,
            validation,
            report,
            start: Instant::now(),
            last_loss: f64::NAN,
            first_and_tenth: [None; 2],
        };
        let title = format!("{} · {}", model_name(&run.config.model), device.name);
        let trained = loop {
            let error = match run.begin(&device, total_steps, &stop) {
                Ok((mut trainer, first)) => {
                    break run.steps(&mut trainer, first, total_steps, &stop).map(|steps| (trainer, steps));
                }
                Err(error) => error,
            };
            let smaller = choice.smaller().cloned();
            let (TrainError::OutOfMemory { .. }, Some(plan)) = (&error, smaller) else { break Err(error) };
            choice.plan = plan;
            run.report.note(&format!("{error}; starting again with less: {}", plan_note(&choice)));
            run.plan = choice.plan.clone();
            run.loader = loader(&run.train, &run.plan.cut)?;
        };
        // After a fault the curve up to it is worth seeing; the fault is what the user must hear of.
        let (trainer, steps) = match trained {
            Ok(trained) => trained,
            Err(error) => {
                let _ = run.report.finish(&title);
                return Err(error);
            }
        };
        let val_loss = run.evaluate(&trainer, steps)?;
        if run.config.sample.every > 0 {
            run.sample(&trainer)?;
        }
        folder.write_model(&trainer.model().valid())?;
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

/// The micro-batches of a step that is cut this way, prepared ahead.
fn loader(train: &Batches, cut: &Cut) -> Result<Loader, TrainError> {
    let share = Share::new(cut.micro_batch * cut.accumulation, cut.micro_batch, 0, 1)?;
    Ok(Loader::new(train.clone(), share, Loader::DEPTH))
}

/// A fresh model on its device or, where its parameters live in host memory, there.
fn trainer(config: &TrainConfig, cut: &Cut, device: &OpenDevice) -> Result<Trainer, TrainError> {
    let mut walk = Walk::new(&config.model, config.model.context_length, &device.device);
    walk.loss.z_loss = config.loss.z_loss;
    walk.loss.chunk = cut.logits_chunk;
    walk.policy = cut.policy.clone();
    let home = if cut.policy.uses_host() { Device::flex() } else { device.device.clone() };
    let options = StepOptions {
        optimizer: config.optimizer.clone(),
        schedule: config.schedule.clone(),
        total_steps: config.total_steps(),
        seed: config.seed,
    };
    Ok(Trainer::new(config.model.init(config.seed, &home.autodiff())?, walk, options))
}

fn plan_note(choice: &Choice) -> String {
    let Choice { plan, budget, .. } = choice;
    let of = budget.map_or(String::new(), |budget| format!(" of {}", mib(budget)));
    format!("a step is {}: about {}{of}", plan.cut, mib(plan.peak_bytes()))
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
