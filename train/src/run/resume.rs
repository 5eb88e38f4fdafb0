//! Where a run starts: anew, or from a checkpoint that must be of the same run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{Table, Value};

use super::{folder::RunFolder, state::RunState};
use crate::{
    TrainConfig, TrainError,
    checkpoint::{self, Checkpoint, Folder, Store},
    config::BatchConfig,
    devices::{KernelChoices, OpenDevice},
    plan::{Cut, Plan, Rates, plan},
    step::Trainer,
};

/// Where a run starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Anew, in a folder without a run.
    #[default]
    New,
    /// From the newest whole checkpoint in the run's folder; anew, if there is none.
    Auto,
    /// From this checkpoint, or the newest whole one in this run's folder, and on in that folder.
    Resume(PathBuf),
    /// A new run, in a folder without one, whose first weights are those of this checkpoint, or of the newest in this
    /// run's folder.
    Fork(PathBuf),
}

impl Start {
    /// Where the run begins, and the folder it goes to. What the user should hear goes to `notes`.
    pub(super) fn open(
        self,
        folder: PathBuf,
        config: &TrainConfig,
        identity: &Identity,
        notes: &mut Vec<String>,
    ) -> Result<(RunFolder, Origin), TrainError> {
        let checkpoint = match self {
            Self::New => return Ok((RunFolder::create(folder)?, Origin::Seed)),
            Self::Fork(path) => {
                let checkpoint = find(&path, &mut |text| notes.push(text))?;
                same_model(&checkpoint, config, identity)?;
                notes.push(format!("the first weights are those of {}", checkpoint.location()));
                return Ok((RunFolder::create(folder)?, Origin::Weights(checkpoint)));
            }
            Self::Auto => match newest(&folder, &mut |text| notes.push(text))? {
                None => return Ok((RunFolder::renew(folder)?, Origin::Seed)),
                Some(checkpoint) => checkpoint,
            },
            Self::Resume(path) => {
                let checkpoint = find(&path, &mut |text| notes.push(text))?;
                if is_checkpoint(&path) {
                    is_newest(&checkpoint)?;
                }
                checkpoint
            }
        };
        let run = PathBuf::from(checkpoint.store().location(""));
        notes.extend(same_run(&checkpoint, config, identity)?);
        notes.push(format!("going on from step {} of {}", checkpoint.step(), run.display()));
        Ok((RunFolder::existing(run), Origin::open(checkpoint, config)?))
    }
}

/// What a trainer begins with.
pub(super) enum Origin {
    /// Weights drawn from the seed.
    Seed,
    /// A checkpoint's weights, and nothing else of it.
    Weights(Checkpoint),
    /// All of a checkpoint.
    Checkpoint(Checkpoint, Box<RunState>),
}

impl Origin {
    /// The state that a run is in there.
    pub fn state(&self) -> RunState {
        match self {
            Self::Checkpoint(_, state) => RunState::clone(state),
            _ => RunState::default(),
        }
    }

    /// The cut of the checkpoint's steps, where it has one and nothing speaks against it: the same on the same adapter,
    /// unless `config` says otherwise than the checkpoint's own.
    pub fn plan(&self, config: &TrainConfig, device: &OpenDevice, rates: &Rates) -> Option<Plan> {
        let Self::Checkpoint(checkpoint, state) = self else { return None };
        let earlier = TrainConfig::read(&Path::new(&checkpoint.location()).join("config.toml"), &[]).ok()?;
        let same = earlier.batch == config.batch && earlier.memory == config.memory;
        let cut = state.cut.clone().filter(|_| same && checkpoint.manifest().adapter == device.adapter)?;
        Some(plan(&config.model, config.model.context_length, cut, &device.limits, rates))
    }

    /// The kernels that the checkpoint's run chose.
    pub fn kernels(&self) -> Result<KernelChoices, TrainError> {
        const FILE: &str = "kernels.json";
        match self {
            Self::Checkpoint(checkpoint, _) if checkpoint.manifest().files.contains_key(FILE) => {
                let choices = KernelChoices::parse(&checkpoint.read(FILE)?);
                Ok(choices.map_err(|error| checkpoint.broken(FILE, error))?)
            }
            _ => Ok(KernelChoices::default()),
        }
    }

    /// The momentum of outer steps, where the checkpoint has one.
    pub fn momentum(&self, trainer: &Trainer) -> Result<Option<Vec<f32>>, TrainError> {
        match self {
            Self::Checkpoint(checkpoint, _) => checkpoint::outer_momentum(trainer, checkpoint),
            _ => Ok(None),
        }
    }

    /// Opens a checkpoint of a run with this configuration.
    pub fn open(checkpoint: Checkpoint, config: &TrainConfig) -> Result<Self, TrainError> {
        const FILE: &str = "state.json";
        let json = checkpoint.read(FILE)?;
        let state: RunState = serde_json::from_slice(&json).map_err(|error| checkpoint.broken(FILE, error))?;
        state.check(config).map_err(|reason| checkpoint.broken(FILE, reason))?;
        Ok(Self::Checkpoint(checkpoint, Box::new(state)))
    }
}

impl RunState {
    /// A file's numbers are not believed.
    fn check(&self, config: &TrainConfig) -> Result<(), String> {
        const MOST: u64 = 1 << 40;
        if self.step > MOST || self.data > MOST || self.data < self.step {
            return Err(format!("step = {} and data = {} cannot be", self.step, self.data));
        }
        let rows = config.batch.micro_batch * config.batch.accumulation;
        let dealt = self.rows.iter().try_fold(0usize, |sum, rows| sum.checked_add(*rows));
        if !self.rows.is_empty() && (dealt != Some(rows) || self.rows.contains(&0)) {
            return Err(format!("rows = {:?} are not the {rows} of a step", self.rows));
        }
        let layers = config.model.layers;
        let placed = self.blocks.iter().try_fold(0usize, |sum, blocks| sum.checked_add(*blocks));
        if !self.blocks.is_empty() && (placed != Some(layers) || self.blocks.contains(&0)) {
            return Err(format!("blocks = {:?} are not the {layers} of the model", self.blocks));
        }
        let Some(cut) = &self.cut else { return Ok(()) };
        cut.check(config, self.rows.first().copied()).map_err(|reason| format!("cut: {reason}"))
    }
}

impl Cut {
    /// # Errors
    /// Why a step of this configuration cannot be cut so, where the first of several devices has `own` sequences of it.
    fn check(&self, config: &TrainConfig, own: Option<usize>) -> Result<(), String> {
        let rows = config.batch.micro_batch * config.batch.accumulation;
        let fits = match own {
            None => self.micro_batch.checked_mul(self.accumulation) == Some(rows),
            Some(own) => (1..=own).contains(&self.micro_batch),
        };
        if !fits || self.logits_chunk == 0 {
            return Err(format!("{} x {} sequences are not the {rows} of a step", self.accumulation, self.micro_batch));
        }
        let mut next = 0;
        for segment in &self.policy.segments {
            if segment.blocks.start != next || segment.blocks.is_empty() {
                next = usize::MAX;
                break;
            }
            next = segment.blocks.end;
        }
        if next != config.model.layers {
            return Err(format!("its segments are not those of {} blocks", config.model.layers));
        }
        Ok(())
    }
}

/// Whether `path` means a checkpoint, not the folder of a run.
fn is_checkpoint(path: &Path) -> bool {
    path.join("manifest.json").exists() || !path.join("config.toml").exists()
}

/// The checkpoint that `path` means: itself, or the newest whole one in a run's folder. Broken ones that are passed over
/// are told to `tell`.
fn find(path: &Path, tell: &mut dyn FnMut(String)) -> Result<Checkpoint, TrainError> {
    if is_checkpoint(path) {
        let not_one = |source| TrainError::Io { action: "opening the checkpoint", path: path.into(), source };
        let (folder, name) = Folder::of(path).map_err(not_one)?;
        let store: Arc<dyn Store> = Arc::new(folder);
        return Ok(Checkpoint::open(&store, &name)?);
    }
    newest(path, tell)?.ok_or_else(|| TrainError::Resume {
        path: path.into(),
        reason: "it holds no checkpoint; start the run anew without --resume".into(),
    })
}

/// Going on from an earlier checkpoint would leave later ones that are of another future.
fn is_newest(checkpoint: &Checkpoint) -> Result<(), TrainError> {
    match checkpoint::list(checkpoint.store())?.first() {
        Some((step, newer)) if *step > checkpoint.step() => Err(TrainError::Resume {
            path: checkpoint.location().into(),
            reason: format!(
                "the run went on to step {step}; resume that, or remove {}, or start a new run from this one with --fork",
                checkpoint.store().location(newer)
            ),
        }),
        _ => Ok(()),
    }
}

/// The newest whole checkpoint of a run.
///
/// # Errors
/// There are some, and none is whole.
pub(super) fn newest(run: &Path, tell: &mut dyn FnMut(String)) -> Result<Option<Checkpoint>, TrainError> {
    let mut broken = 0;
    let store: Arc<dyn Store> = Arc::new(Folder::new(run));
    let found = checkpoint::newest(&store, |_, error| {
        broken += 1;
        tell(format!("passed over: {error}"));
    })?;
    if found.is_none() && broken > 0 {
        let reason = format!("none of its {broken} checkpoints is whole; remove them to start the run anew");
        return Err(TrainError::Resume { path: run.into(), reason });
    }
    Ok(found)
}

/// What has to be the same for a run to go on, besides its configuration.
#[derive(Clone)]
pub(super) struct Identity {
    pub tokenizer: String,
    pub data: String,
}

/// Checks that `config` is that of the checkpoint's run. Returns a sentence for each difference that is allowed.
fn same_run(checkpoint: &Checkpoint, config: &TrainConfig, identity: &Identity) -> Result<Vec<String>, TrainError> {
    let differences = same_model(checkpoint, config, identity)?;
    let refuse = |reason: String| {
        let reason = format!("{reason}; --fork starts a new run with its weights");
        Err(TrainError::Resume { path: checkpoint.location().into(), reason })
    };
    for (field, [before, now]) in &differences {
        if ["seed", "data.stride", "data.packing"].contains(&field.as_str()) {
            return refuse(format!("{field} = {now}, but the checkpoint's run has {before}"));
        }
    }
    if checkpoint.manifest().data != identity.data {
        return refuse(
            "the tokens are not those of the checkpoint's run (data.text, data.tokens, data.mixture)".into(),
        );
    }
    let of = |name: &str, field: usize, same: usize| {
        let both = differences.get(&format!("batch.{name}"));
        both.map_or(Some(same), |both| both[field].parse().ok())
    };
    let BatchConfig { micro_batch, accumulation } = config.batch;
    let rows = |field: usize| Some(of("micro_batch", field, micro_batch)? * of("accumulation", field, accumulation)?);
    if rows(0) != rows(1) {
        return refuse(format!(
            "batch.micro_batch * batch.accumulation = {}, but the checkpoint's run has {} sequences a step",
            rows(1).unwrap_or(0),
            rows(0).unwrap_or(0)
        ));
    }
    let allowed = differences.into_iter().filter(|(field, _)| !field.starts_with("data."));
    Ok(allowed.map(|(field, [before, now])| format!("{field} = {now} from here on, was {before}")).collect())
}

/// Checks that the weights fit the model, and mean the same tokens. Returns what else differs.
fn same_model(
    checkpoint: &Checkpoint,
    config: &TrainConfig,
    identity: &Identity,
) -> Result<BTreeMap<String, [String; 2]>, TrainError> {
    let refuse = |reason: String| Err(TrainError::Resume { path: checkpoint.location().into(), reason });
    if checkpoint.manifest().tokenizer != identity.tokenizer {
        return refuse("the tokenizer is not the one of the checkpoint's run (data.tokenizer, data.text)".into());
    }
    let earlier = TrainConfig::read(&Path::new(&checkpoint.location()).join("config.toml"), &[])?;
    let differences = differences(&earlier, config);
    match differences.iter().find(|(field, _)| field.starts_with("model.")) {
        Some((field, [before, now])) => refuse(format!("{field} = {now}, but the checkpoint's model has {before}")),
        None => Ok(differences),
    }
}

/// Every field that has another value, with both.
pub(super) fn differences(before: &TrainConfig, now: &TrainConfig) -> BTreeMap<String, [String; 2]> {
    let [before, now] = [before, now].map(|config| {
        let mut fields = BTreeMap::new();
        flatten("", &config.to_toml().parse::<Table>().expect("just written"), &mut fields);
        fields
    });
    let names = before.keys().chain(now.keys());
    let values = |name: &String| [&before, &now].map(|fields| fields.get(name).cloned().unwrap_or("nothing".into()));
    names.map(|name| (name.clone(), values(name))).filter(|(_, [before, now])| before != now).collect()
}

fn flatten(prefix: &str, table: &Table, fields: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, fields),
            value => drop(fields.insert(format!("{prefix}{name}"), value.to_string())),
        }
    }
}
