//! A run as a native process: it assembles data, devices, folder, engine and session, and goes on after what can be
//! survived.

mod attempt;
mod crew;
mod data;
mod faults;
mod folder;
mod foreign;
mod home;
#[cfg(feature = "cli")]
mod interrupt;
mod overview;
mod published;
mod reserve;
mod saver;
mod start;
mod summary;
mod text_file;
mod trained_model;
mod unbegun;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use hearth_data::{Batch, Tokenizer};
use hearth_model::{ParameterCount, Transformer, TransformerConfig};

pub use data::{DataSize, RunTokens, data_size, tokenizer};
pub use faults::{InjectedFault, InjectedFaults};
pub use folder::RunFolder;
pub use home::Listener;
#[cfg(feature = "cli")]
pub use interrupt::stop_on_ctrl_c;
pub use overview::{BestLoss, RunOverview, RunStatus, is_run, runs_in, unlike};
pub use published::told_at;
pub use start::Start;
pub use summary::RunSummary;
pub use trained_model::TrainedModel;

#[cfg(feature = "cli")]
use crate::report::Unstarted;
use crate::{
    TrainConfig, TrainError,
    base::Base,
    devices::OpenDevice,
    engine::{self, Members},
    parallel::Exchange,
    report::{EndReason, FrontKind, Report, RunOutline, with_separators},
    session::{Common, DeviceSummary, End, Event, Home, Identity, Origin, Outcome, Prompt, Session},
};
use attempt::Attempts;
use crew::Crew;
use data::{RunData, Source};
use home::NativeHome;
use reserve::Reserve;
use start::Opened;
use unbegun::Unbegun;

/// A run that is about to start. See [`Run::new`] for what it does where nothing else is said.
pub struct Run {
    config: TrainConfig,
    source: Source,
    device: OpenDevice,
    others: Vec<OpenDevice>,
    line: Option<Exchange>,
    folder: PathBuf,
    begin: Start,
    changes_batch: bool,
    takes_next: bool,
    model: Option<Transformer>,
    front: FrontKind,
    listener: Option<Listener>,
    stop: Arc<AtomicBool>,
    faults: Option<InjectedFaults>,
}

impl Run {
    /// A run that starts anew, of what `config.data` names, on one device, and shows nothing. `folder` gets `config.toml`,
    /// `tokenizer.json`, `metrics.jsonl`, `model.safetensors`, `loss.svg`, and checkpoints.
    pub fn new(config: TrainConfig, device: OpenDevice, folder: impl Into<PathBuf>) -> Self {
        Self {
            config,
            source: Source::Config,
            device,
            others: Vec::new(),
            line: None,
            folder: folder.into(),
            begin: Start::New,
            changes_batch: false,
            takes_next: false,
            model: None,
            front: FrontKind::default(),
            listener: None,
            stop: Arc::default(),
            faults: None,
        }
    }

    /// Learns from this text, training and validation part, and not from what `config.data` names.
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { source: Source::Text(text.into()), ..self }
    }

    /// Learns from these tokens, and not from what `config.data` names.
    pub fn tokens(self, tokens: RunTokens) -> Self {
        Self { source: Source::Tokens(tokens), ..self }
    }

    /// Begins with the weights of `model`, which is of the configuration's kind.
    pub fn model(self, model: Transformer) -> Self {
        Self { model: Some(model), ..self }
    }

    /// More devices, each with a replica of the model and a share of every batch by its speed, or a stage of the model.
    pub fn others(self, others: Vec<OpenDevice>) -> Self {
        Self { others, ..self }
    }

    /// Instead: the line to ranks that are processes. All but the first follow ([`Run::follow`]) and write nothing.
    pub fn line(self, line: Option<Exchange>) -> Self {
        Self { line, ..self }
    }

    /// Begins where `start` says.
    pub fn begin(self, begin: Start) -> Self {
        Self { begin, ..self }
    }

    /// Where the run goes on, its steps may have other sequences than before; it keeps its place in the data.
    pub fn changes_batch(self, changes_batch: bool) -> Self {
        Self { changes_batch, ..self }
    }

    /// A new run that finds another in its folder, as where two start at once, goes to the next number: `name-2`, `name-3`, ..
    pub fn takes_next(self, takes_next: bool) -> Self {
        Self { takes_next, ..self }
    }

    /// Shows progress there.
    pub fn front(self, front: FrontKind) -> Self {
        Self { front, ..self }
    }

    /// Tells `listener` of every event; it ends the run in order by [`Break`](std::ops::ControlFlow::Break).
    pub fn on_event(self, listener: impl FnMut(&Event) -> std::ops::ControlFlow<()> + 'static) -> Self {
        Self { listener: Some(Box::new(listener)), ..self }
    }

    /// Ends in order, after the step at hand, once `stop` is set.
    pub fn stop(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Faults that a test asks for.
    #[doc(hidden)]
    pub fn faults(self, faults: Option<InjectedFaults>) -> Self {
        Self { faults, ..self }
    }

    /// Trains to the limit or until stopped, and writes the run's folder.
    ///
    /// # Errors
    /// A text too short, a folder that cannot be written, a checkpoint of another run, a run that diverges; a line on which
    /// this rank is not the first.
    pub fn go(self) -> Result<RunSummary, TrainError> {
        let Self { mut config, source, device, others, line, folder, begin, changes_batch, model, .. } = self;
        let (front, listener, stop, faults) = (self.front, self.listener, self.stop, self.faults);
        let takes_next = self.takes_next;
        first_rank(line.as_ref())?;
        front.check()?;
        #[cfg(feature = "cli")]
        let unstarted = Unstarted::begin();
        config.validate()?;
        config.kernels.apply();
        let RunData { tokenizer, data, hash } = RunData::open(&config, source)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;
        if config.sample.every > 0 {
            // Said now, and not when the first sample is due.
            Prompt::new(&tokenizer, config.sample.prompt.as_deref(), false, "sample.prompt")?;
        }
        let identity = Identity::new(&tokenizer, hash);
        let Opened { folder, origin, mut notes, claim: _claim } =
            begin.open(folder, &config, &identity, changes_batch, takes_next)?;
        let unbegun = Unbegun::new(&folder);
        let origin = match model {
            None => origin,
            Some(model) => with_model(model, &config, &origin)?,
        };
        notes.extend(config.parallel.idle_on_one().filter(|_| others.is_empty() && line.is_none()));
        notes.extend(data::notes(&data));
        notes.extend(base_note(&config, &origin));
        notes.extend(other_tokenizer(&config, &tokenizer));
        prepare_folder(&folder, &config, &tokenizer, &mut notes)?;
        let config = Arc::new(config);
        let common = Common {
            config: config.to_toml().into_bytes(),
            tokenizer: RunFolder::tokenizer_json(&tokenizer),
            identity: identity.clone(),
            adapter: device.adapter.clone(),
            settings: config.checkpoint.clone(),
        };
        let outline = outline(folder.path(), &config, [&device].into_iter().chain(&others), &data.validation);
        let report = Report::open(folder.path(), &outline, front, stop.clone())?;
        let home = NativeHome::new(report, listener, stop, faults, device.clone());
        #[cfg(feature = "cli")]
        home.hold(unstarted);
        introduce(&home, &outline, &config, [&device].into_iter().chain(&others), notes)?;
        let crew = Crew::new(Members { config: config.clone(), identity, data, device, others }, line);
        let mut attempts = Attempts::new(crew, folder.clone(), common, home.clone());
        let mut session = attempts.session(tokenizer, &origin)?;
        unbegun.keep();
        // Not before it is certain that this model can be trained here: it may be one of any size.
        let reserve = reserve(&folder, &home, &session)?;
        let trained = attempts.train(&mut session, origin);
        // After a fault the curve up to it is worth seeing; the fault is what the user must hear of.
        let failed = |error: &TrainError| drop(home.finish(EndReason::Failed, Some(error.to_string())));
        let outcome = trained.inspect_err(failed)?;
        drop(reserve);
        let devices = session.engine.devices();
        session.engine.end()?;
        folder.write_model(session.config(), &outcome.model)?;
        let picture = home.finish(outcome.end.into(), None);
        Ok(summary(folder, &session, outcome, devices, picture))
    }

    /// Works for the first rank until it says that the run is over.
    ///
    /// # Errors
    /// No line to other ranks; ranks that are not of one run; a device that fails; a rank that is gone.
    pub fn follow(self) -> Result<(), TrainError> {
        let Self { mut config, source, device, line, .. } = self;
        let reason = "this process has no line to others: start it as one of several ranks";
        let none = || TrainError::Config { source_name: "several ranks".into(), reason: reason.into() };
        let line = line.ok_or_else(none)?;
        config.kernels.apply();
        let RunData { tokenizer, data, hash } = RunData::open(&config, source)?;
        fit_vocabulary(&mut config.model, &tokenizer)?;
        let identity = Identity::new(&tokenizer, hash);
        let members = Members { config: Arc::new(config), identity, data, device, others: Vec::new() };
        engine::follow(members, line)
    }
}

/// What a run begins with, and what of it is trained.
fn base_note(config: &TrainConfig, origin: &Origin) -> Option<String> {
    let trained: u128 = config.trained().map(|it| it.elements()).sum();
    let all = ParameterCount::of(&config.model).total as u64;
    let trained = format!("{} of {} parameters are trained", with_separators(trained as u64), with_separators(all));
    match (&config.from, &config.model.adapter, origin) {
        (Some(from), Some(_), _) => Some(format!("{trained}, beside the weights of {}", from.display())),
        (Some(from), None, Origin::Seed) => Some(format!("the first weights are those of {}", from.display())),
        (None, Some(_), _) => Some(trained),
        _ => None,
    }
}

/// A warning where the tokens mean something else to the model that the run begins with.
fn other_tokenizer(config: &TrainConfig, tokenizer: &Tokenizer) -> Option<String> {
    let from = config.from.as_ref()?;
    let own = Base::open(from).and_then(|base| base.tokenizer(from)).ok()?;
    let own = Tokenizer::from_file(own).ok()?;
    (own.hash() != tokenizer.hash()).then(|| {
        format!(
            "warning: the tokens are not those of the tokenizer of {}: its weights know them by other ids",
            from.display()
        )
    })
}

/// Writes what the folder has of a run from its start on. A run that goes on need not end where the disk is full: it is told
/// in `notes`.
fn prepare_folder(
    folder: &RunFolder,
    config: &TrainConfig,
    tokenizer: &Tokenizer,
    notes: &mut Vec<String>,
) -> Result<(), TrainError> {
    let goes_on = folder.has_config();
    match folder.write_config(config).and_then(|()| folder.write_tokenizer(tokenizer)) {
        Err(error) if goes_on => notes.push(format!("warning: the run goes on, though {error}")),
        written => written?,
    }
    Ok(())
}

/// Takes room on the disk for the trained model; where there is none, that is told.
fn reserve(folder: &RunFolder, home: &NativeHome, session: &Session) -> Result<Option<Reserve>, TrainError> {
    let config = session.config();
    let written = match config.model.adapter {
        Some(_) => config.trained().map(|it| it.elements() as usize).sum(),
        None => ParameterCount::of(&config.model).total,
    };
    let bytes = (written * size_of::<f32>()) as u64;
    // A header, of which each tensor takes about 100 bytes.
    let reserve = Reserve::take(folder.path(), bytes + (1 << 16));
    if let Err(error) = &reserve {
        let text = format!("warning: no room is kept on the disk for the trained model: {error}");
        home.clone().event(Event::Note(text))?;
    }
    Ok(reserve.ok())
}

/// # Errors
/// The line is another rank's.
fn first_rank(line: Option<&Exchange>) -> Result<(), TrainError> {
    match line.map_or(0, Exchange::rank) {
        0 => Ok(()),
        rank => {
            let reason = format!("rank {rank} of a run is not the first: it follows (Run::follow)");
            Err(TrainError::Config { source_name: "several ranks".into(), reason })
        }
    }
}

/// The origin with a model that is given, for a run that starts anew.
fn with_model(model: Transformer, config: &TrainConfig, origin: &Origin) -> Result<Origin, TrainError> {
    let reason = match origin {
        Origin::Seed if model.config() == &config.model => return Ok(Origin::Model(Box::new(model))),
        Origin::Seed => {
            "the model that is given is of another configuration than [model]: take `model.config().clone()`"
        }
        _ => "a run that goes on from a checkpoint has its model there: give none, or start anew",
    };
    Err(TrainError::Config { source_name: "model".into(), reason: reason.into() })
}

/// What is about to be trained, and on what.
fn outline<'a>(
    folder: &Path,
    config: &TrainConfig,
    devices: impl Iterator<Item = &'a OpenDevice>,
    validation: &[Batch],
) -> RunOutline {
    let evaluated: usize = validation.iter().map(|batch| batch.rows).sum();
    RunOutline {
        name: folder.display().to_string(),
        model: model_name(&config.model),
        parameters: ParameterCount::of(&config.model).total as u64,
        devices: devices.map(|device| device.name.clone()).collect(),
        total_steps: config.total_steps(),
        tokens_per_step: config.tokens_per_step(),
        evaluate_every: config.evaluation.every,
        sample_every: config.sample.every,
        evaluation_share: evaluated as f64 / (config.batch.micro_batch * config.batch.accumulation) as f64,
        tensorboard: config.report.tensorboard,
    }
}

/// Says what is about to be trained, and on what.
fn introduce<'a>(
    home: &NativeHome,
    outline: &RunOutline,
    config: &TrainConfig,
    devices: impl Iterator<Item = &'a OpenDevice> + Clone,
    notes: Vec<String>,
) -> Result<(), TrainError> {
    let compiles = |device: &OpenDevice| device.compiles_kernels.then(|| device.name.clone());
    let compile: Vec<String> = devices.clone().filter_map(compiles).collect();
    let compiles = (!compile.is_empty()).then(|| {
        let names = compile.join(" and ");
        format!("compiling and choosing kernels for {names}: the first steps are slow, later runs reuse them")
    });
    let odd = config.schedule.oddities(config.total_steps(), config.optimizer.learning_rate);
    let is_one = outline.devices.len() == 1;
    let of_devices = devices.filter_map(|OpenDevice { name, note, .. }| {
        let note = note.clone()?;
        Some(if is_one { note } else { format!("{name}: {note}") })
    });
    let all = [outline.to_string()].into_iter().chain(odd).chain(notes).chain(of_devices).chain(compiles);
    all.into_iter().try_for_each(|note| home.clone().event(Event::Note(note)))
}

fn summary(
    folder: RunFolder,
    session: &Session,
    outcome: Outcome,
    devices: Vec<DeviceSummary>,
    picture: Option<PathBuf>,
) -> RunSummary {
    let steps = session.state().step;
    RunSummary {
        folder: folder.path().into(),
        steps,
        tokens: session.config().tokens_before(session.state().data),
        train_loss: session.last_loss(),
        val_loss: outcome.val_loss,
        best: session.best(),
        seconds: session.seconds(),
        tokens_per_second: session.tokens_per_second().unwrap_or(f64::NAN),
        first_and_tenth: session.first_and_tenth(),
        picture,
        interrupted: outcome.end == End::Stopped,
        out_of_patience: outcome.end == End::OutOfPatience,
        devices,
        model: outcome.model,
    }
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
