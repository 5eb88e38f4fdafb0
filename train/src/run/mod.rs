//! The native driver of a run: data, device, the loop over steps, and what is left in the run's folder.

mod checkpoints;
mod data;
mod faults;
mod folder;
mod follow;
#[cfg(feature = "cli")]
mod interrupt;
mod order;
mod recover;
mod resume;
mod saver;
mod stages;
mod state;
mod steps;
mod survive;
mod team;
mod throughput;
mod together;

use std::{
    fmt,
    ops::Range,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use burn::tensor::Device;
use hearth_data::{Loader, Share, Tokenizer};
use hearth_model::{Flops, ParameterCount, TransformerConfig};

use data::RunData;
pub use data::tokenizer;
pub use faults::{Fault, Faults};
pub use folder::RunFolder;
use follow::Follower;
#[cfg(feature = "cli")]
pub use interrupt::stop_on_ctrl_c;
use recover::Attempts;
pub use resume::Start;
use resume::{Identity, Origin};
use saver::{Common, Saver};
pub use state::{Best, RunState};
use survive::surviving;
use team::{Crew, Team};

use crate::{
    TrainConfig, TrainError, checkpoint,
    devices::{OpenDevice, matmul_flops},
    parallel::Exchange,
    plan::{Choice, Cut, Plan, Rates, mib, replica_plan, stage_plan},
    report::{DeviceFigures, FrontKind, Report},
    step::{StepOptions, Trainer},
    walk::Walk,
};
use steps::{End, Loop};
use throughput::Throughput;

/// A run that is about to start.
pub struct Run {
    /// What to train, and how.
    pub config: TrainConfig,
    /// The text to learn from, training and validation part, where it is not what `config.data` names.
    pub text: Option<String>,
    /// Where.
    pub device: OpenDevice,
    /// More devices, each with a replica of the model and a share of every batch by its speed.
    pub others: Vec<OpenDevice>,
    /// Instead: the line to ranks that are processes. All but the first do what it says, and write nothing.
    pub line: Option<Exchange>,
    /// Gets `config.toml`, `tokenizer.json`, `metrics.jsonl`, `model.safetensors`, `loss.svg`, and checkpoints.
    pub folder: PathBuf,
    /// Anew, or from a checkpoint.
    pub begin: Start,
    /// How progress is shown.
    pub front: FrontKind,
    /// Set it to end the run cleanly after the step at hand.
    pub stop: Arc<AtomicBool>,
    /// Faults that a test asks for.
    pub faults: Option<Faults>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The run's folder.
    pub folder: PathBuf,
    /// Steps of the whole run, those before a resumption included.
    pub steps: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Loss of the last step, nats per token.
    pub train_loss: f64,
    /// Loss on the validation set at the end, nats per token.
    pub val_loss: f64,
    /// The lowest loss on the validation set, and the step it was found at.
    pub best: Option<Best>,
    /// Wall time of the loop, evaluation and samples included.
    pub seconds: f64,
    /// Training tokens a second, without evaluation and samples.
    pub tokens_per_second: f64,
    /// From the start of the loop until the first step's loss was there, and until the tenth's.
    pub first_and_tenth: [Option<f64>; 2],
    /// The loss picture; feature `cli` draws it.
    pub picture: Option<PathBuf>,
    /// Whether it was stopped before its limit.
    pub interrupted: bool,
    /// Whether it ended by `evaluation.patience`.
    pub out_of_patience: bool,
    /// What each of several devices did.
    pub devices: Vec<DeviceSummary>,
}

/// What a device had of a run.
#[derive(Clone, Debug)]
pub struct DeviceSummary {
    /// Its name.
    pub name: String,
    /// Of each global batch, at the end.
    pub sequences: usize,
    /// What it did in a step, on average; not measured of stages, nor of steps alone.
    pub figures: Option<DeviceFigures>,
}

impl fmt::Display for DeviceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} sequences a step", self.name, self.sequences)?;
        let Some(DeviceFigures { tokens_per_second, walk, transfer, wait }) = self.figures else { return Ok(()) };
        write!(
            f,
            ", {tokens_per_second:.0} tokens/s; walk {walk:.4} s, transfers {transfer:.4} s (most of them while it "
        )?;
        write!(f, "walked), waiting {wait:.4} s")
    }
}

impl Run {
    /// A run that starts anew, with a progress bar.
    pub fn new(config: TrainConfig, device: OpenDevice, folder: PathBuf) -> Self {
        let (begin, front, stop) = (Start::New, FrontKind::default(), Arc::default());
        Self { config, text: None, device, others: Vec::new(), line: None, folder, begin, front, stop, faults: None }
    }

    /// Trains to the limit or until stopped, and writes the run's folder.
    ///
    /// # Errors
    /// A text too short, a folder that cannot be written, a checkpoint of another run, a run that diverges.
    ///
    /// # Panics
    /// On a rank that is not the first: see [`Run::follow`].
    pub fn go(self) -> Result<Summary, TrainError> {
        let Self { mut config, text, device, others, line, folder, begin, front, stop, faults } = self;
        assert!(line.as_ref().is_none_or(|line| line.rank() == 0), "the other ranks follow");
        config.kernels.apply();
        let RunData { tokenizer, train, validation, hash } = RunData::open(&config, text)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;
        let identity = Identity { tokenizer: hex(&tokenizer.hash()), data: hex(&hash) };
        let mut notes = Vec::new();
        let (folder, origin) = begin.open(folder, &config, &identity, &mut notes)?;

        let _claim = folder.claim()?;
        checkpoint::clean(folder.path())?;
        folder.write_config(&config)?;
        folder.write_tokenizer(&tokenizer)?;
        let total_steps = config.total_steps();
        let state = origin.state();
        let mut report = match &origin {
            Origin::Checkpoint(..) => Report::resume(folder.path(), state.step, total_steps, front, stop.clone())?,
            _ => Report::start(folder.path(), total_steps, front, stop.clone())?,
        };
        report.note(&describe(&config, &device));
        notes.iter().chain(&device.note).for_each(|note| report.note(note));
        if device.compiles_kernels {
            report.note(
                "compiling and choosing kernels for this device: the first steps are slow, later runs reuse them",
            );
        }
        let global_rows = config.batch.micro_batch * config.batch.accumulation;
        let crew = Crew {
            config: config.clone(),
            identity: identity.clone(),
            train: train.clone(),
            validation: validation.clone(),
            device: device.clone(),
            may_restart: line.is_none(),
            others,
        };
        let several = line.is_some() || !crew.others.is_empty();
        let mut team = several.then(|| Team::start(&crew, line)).transpose()?;
        let all = 0..global_rows;
        let (rows, blocks, speed, peak_flops) = match &team {
            None => {
                let flops = matmul_flops(&device.device);
                (vec![all], Vec::new(), flops, flops)
            }
            Some(team) => {
                let rows = state.rows_for(team, global_rows)?;
                let blocks = team.blocks(&crew, &rows, &state.blocks)?;
                (rows, blocks, team.ranks[0].speed, team.flops())
            }
        };
        let context = config.model.context_length;
        let flops_per_token = Flops::per_sequence(&config.model, context).training / context as f64;
        let rates = Rates { flops: speed, ..Rates::default() };
        let mut choice = match blocks.first() {
            Some(own) => stage_plan(&config, (0, rows.len()), own, &rows[0], &device.limits, &rates)?,
            None => replica_plan(&config, &rows[0], rows.len(), &device.limits, &rates)?,
        };
        if let Some(plan) = origin.plan(&config, &device, &rates).filter(|_| blocks.is_empty()) {
            choice.plan = plan;
        }
        report.note(&plan_note(&choice));
        let common = Arc::new(Common {
            folder: folder.path().into(),
            config: config.to_toml().into_bytes(),
            tokenizer: RunFolder::tokenizer_json(&tokenizer),
            identity,
            settings: config.checkpoint.clone(),
        });
        let kernels = origin.kernels()?;
        let saver = Saver::new(common.clone(), &device, &crew.others, &kernels);
        if let Some(team) = &mut team {
            team.pin(&kernels)?;
        }
        let title = format!("{} · {}", model_name(&config.model), device.name);
        let mut run = Loop {
            throughput: Throughput::new(config.tokens_per_step(), flops_per_token / peak_flops),
            plan: choice.plan.clone(),
            config,
            tokenizer,
            share: own_share(&rows, &choice.plan),
            loader: Loader::new(train.clone(), own_share(&rows, &choice.plan), Loader::DEPTH),
            rows,
            blocks,
            team,
            crew,
            ranks: Vec::new(),
            rank_steps: 0,
            train,
            validation,
            report,
            last_loss: state.guard.last_loss().map_or(f64::NAN, f64::from),
            state,
            saver,
            faults,
            start: Instant::now(),
            first_and_tenth: [None; 2],
            begun_at: None,
            taken: None,
            saved: None,
            evaluated: None,
        };
        let mut attempts = Attempts { device, choice, origin, device_losses: 0, common };
        let trained = loop {
            let planned = run.plan.peak_bytes();
            let attempt = surviving(planned, || run.train(&attempts.device, &attempts.origin, &folder, &stop));
            match attempt {
                Ok(end) => break Ok(end),
                Err(error) => {
                    if let Err(error) = attempts.recover(error, &mut run) {
                        break Err(error);
                    }
                }
            }
        };
        // After a fault the curve up to it is worth seeing; the fault is what the user must hear of.
        let (end, val_loss) = match trained {
            Ok(trained) => trained,
            Err(error) => {
                let _ = run.report.finish(&title);
                return Err(error);
            }
        };
        let steps = run.state.step;
        let devices = run.device_summaries();
        if let Some(team) = run.team.take() {
            team.end()?;
        }
        Ok(Summary {
            folder: folder.path().into(),
            steps,
            tokens: steps * run.config.tokens_per_step(),
            train_loss: run.last_loss,
            val_loss,
            best: run.state.best,
            seconds: run.state.seconds + run.start.elapsed().as_secs_f64(),
            tokens_per_second: run.throughput.mean().unwrap_or(f64::NAN),
            first_and_tenth: run.first_and_tenth,
            picture: run.report.finish(&title)?,
            interrupted: end == End::Stopped,
            out_of_patience: end == End::NoBetter,
            devices,
        })
    }

    /// Works for the first rank until it says that the run is over.
    ///
    /// # Errors
    /// Ranks that are not of one run; a device that fails; a rank that is gone.
    ///
    /// # Panics
    /// Without a line to other ranks.
    pub fn follow(self) -> Result<(), TrainError> {
        let Self { mut config, text, device, line, .. } = self;
        config.kernels.apply();
        let RunData { tokenizer, train, hash, .. } = RunData::open(&config, text)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;
        let identity = Identity { tokenizer: hex(&tokenizer.hash()), data: hex(&hash) };
        Follower { config, identity, train, validation: Vec::new(), device, pipe: None, kernels: None }
            .follow(line.expect("a line to the first rank"))
    }
}

/// The first rank's share of every global batch.
fn own_share(rows: &[Range<usize>], plan: &Plan) -> Share {
    Share::of_rows(rows.last().map_or(0, |rows| rows.end), rows[0].clone(), plan.cut.micro_batch)
}

/// The model as it is at the origin, on its device or, where its parameters live in host memory, there.
fn trainer(config: &TrainConfig, cut: &Cut, device: &OpenDevice, origin: &Origin) -> Result<Trainer, TrainError> {
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
    let mut trainer = Trainer::new(config.model.init(config.seed, &home.autodiff())?, walk, options);
    match origin {
        Origin::Seed => {}
        Origin::Weights(checkpoint) => checkpoint::restore_weights(&mut trainer, checkpoint)?,
        Origin::Checkpoint(checkpoint, _) => checkpoint::restore(&mut trainer, checkpoint)?,
    }
    Ok(trainer)
}

fn plan_note(choice: &Choice) -> String {
    let of = choice.budget.map_or(String::new(), |budget| format!(" of {}", mib(budget)));
    format!("{}{of}", note(&choice.plan))
}

fn note(plan: &Plan) -> String {
    format!("a step is {}: about {}", plan.cut, mib(plan.peak_bytes()))
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

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
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
