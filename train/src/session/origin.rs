//! Where a session begins: anew, or at a checkpoint that must be of the same run.

use std::collections::BTreeMap;

use hearth_model::Transformer;

use super::{Identity, RunState, SavedAssignment, differences};
use crate::{
    TrainConfig, TrainError,
    checkpoint::{self, Checkpoint, KernelChoices},
    config::BatchConfig,
    step::Trainer,
};

/// What a session begins with.
pub enum Origin {
    /// Weights drawn from the configuration's seed.
    Seed,
    /// The weights of this model.
    Model(Box<Transformer>),
    /// A checkpoint's weights, and nothing else of it.
    Weights(Checkpoint),
    /// All of a checkpoint.
    Checkpoint(Checkpoint, Box<RunState>),
}

impl Origin {
    /// Opens a checkpoint of a run with this configuration. Where the run had other sequences a step, the state goes on behind
    /// the sequences that it had seen, or, if no step begins there, behind the next that begins one.
    ///
    /// # Errors
    /// A state that is broken, or of another run.
    pub fn open(checkpoint: Checkpoint, config: &TrainConfig) -> Result<Self, TrainError> {
        const FILE: &str = "state.json";
        let json = checkpoint.read(FILE)?;
        let mut state: RunState = serde_json::from_slice(&json).map_err(|error| checkpoint.broken(FILE, error))?;
        let (before, now) = (read_config(&checkpoint)?.batch.sizes(), config.batch.sizes());
        if before != now {
            state.data = now.reaching(before.before(state.data));
            // Rows and cut are of the other number.
            state.assignment = SavedAssignment::default();
        }
        state.check(config).map_err(|reason| checkpoint.broken(FILE, reason))?;
        Ok(Self::Checkpoint(checkpoint, Box::new(state)))
    }

    /// The state that a session is in there.
    pub fn state(&self) -> RunState {
        match self {
            Self::Checkpoint(_, state) => RunState { assignment: Default::default(), ..RunState::clone(state) },
            _ => RunState::default(),
        }
    }

    /// What a run of `config` on so many ranks and stages, the first on `adapter`, goes on with of the checkpoint's rows, blocks
    /// and cut: see [`SavedAssignment::kept`].
    pub fn kept(&self, config: &TrainConfig, adapter: &str, world: usize, stages: usize) -> SavedAssignment {
        let Self::Checkpoint(checkpoint, state) = self else { return SavedAssignment::default() };
        let is_cut_alike = read_config(checkpoint).is_ok_and(|earlier| {
            earlier.batch == config.batch && earlier.memory == config.memory && checkpoint.manifest().adapter == adapter
        });
        state.assignment.kept(world, stages, is_cut_alike)
    }

    /// The kernels that the checkpoint's run chose.
    ///
    /// # Errors
    /// A file that is broken.
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

    /// The optimizer state of rank 1 and those after it, where each rank of the checkpoint's run had its own.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn state_of_ranks(&self, trainer: &Trainer) -> Result<Vec<Vec<f32>>, TrainError> {
        match self {
            Self::Checkpoint(checkpoint, _) => checkpoint::state_of_ranks(trainer, checkpoint),
            _ => Ok(Vec::new()),
        }
    }

    /// The momentum of outer steps, where the checkpoint has one.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn momentum(&self, trainer: &Trainer) -> Result<Option<Vec<f32>>, TrainError> {
        match self {
            Self::Checkpoint(checkpoint, _) => checkpoint::outer_momentum(trainer, checkpoint),
            _ => Ok(None),
        }
    }
}

/// The configuration of the checkpoint's run.
fn read_config(checkpoint: &Checkpoint) -> Result<TrainConfig, TrainError> {
    const FILE: &str = "config.toml";
    let bytes = checkpoint.read(FILE)?;
    let text = String::from_utf8(bytes).map_err(|error| checkpoint.broken(FILE, error))?;
    TrainConfig::parse(&text, &format!("{}/{FILE}", checkpoint.location()), &[])
}

fn refuse(checkpoint: &Checkpoint, reason: String) -> TrainError {
    TrainError::Resume { path: checkpoint.location(), reason }
}

/// Checks that `config` is that of the checkpoint's run, but for the sequences a step where `changes_batch`. Returns a sentence for
/// each difference that is allowed.
///
/// # Errors
/// The field that must be the same, with both values.
pub fn same_run(
    checkpoint: &Checkpoint,
    config: &TrainConfig,
    identity: &Identity,
    changes_batch: bool,
) -> Result<Vec<String>, TrainError> {
    let differences = same_tokens(checkpoint, config, identity)?;
    if let Some((field, [before, now])) = differences.iter().find(|(field, _)| field.starts_with("model.")) {
        return Err(refuse(checkpoint, other_model(field, before, now)));
    }
    let refuse =
        |reason: String| Err(refuse(checkpoint, format!("{reason}; --fork starts a new run with its weights")));
    for (field, [before, now]) in &differences {
        if ["seed", "data.stride", "data.packing", "optimizer.rule"].contains(&field.as_str()) {
            return refuse(format!("{field} = {now}, but the checkpoint's run has {before}"));
        }
    }
    if checkpoint.manifest().data != identity.data {
        return refuse(
            "the tokens are not those of the checkpoint's run (data.text, data.tokens, data.mixture)".into(),
        );
    }
    let before = read_config(checkpoint)?.batch;
    if before.sizes() != config.batch.sizes() && !changes_batch {
        return Err(self::refuse(
            checkpoint,
            format!("{}; --change-batch allows it", other_sizes(&before, &config.batch)),
        ));
    }
    let allowed = differences.into_iter().filter(|(field, _)| !field.starts_with("data."));
    Ok(allowed.map(|(field, [before, now])| format!("{field} = {now} from here on, was {before}")).collect())
}

/// How the sequences a step differ.
fn other_sizes(before: &BatchConfig, now: &BatchConfig) -> String {
    let [full_before, full] = [before, now].map(|batch| batch.sizes().full());
    if full_before != full {
        let fields = "batch.micro_batch * batch.accumulation";
        return format!("{fields} = {full}, but the checkpoint's run has {full_before} sequences a step");
    }
    let told = |it: &BatchConfig| {
        let BatchConfig { micro_batch, warmup_steps, warmup_from, .. } = it;
        format!("warmup_steps = {warmup_steps}, warmup_from = {warmup_from} by {micro_batch}")
    };
    format!("batch: {}, but the checkpoint's run has {}", told(now), told(before))
}

/// Checks that the weights fit the model of a new run, and mean the same tokens. Returns a sentence for each difference of the
/// models that is allowed.
///
/// # Errors
/// The field that must be the same, with both values.
pub fn fitting_model(
    checkpoint: &Checkpoint,
    config: &TrainConfig,
    identity: &Identity,
) -> Result<Vec<String>, TrainError> {
    let differences = same_tokens(checkpoint, config, identity)?;
    let of_model = differences.iter().filter(|(field, _)| field.starts_with("model."));
    let sentence = |(field, [before, now]): (&String, &[String; 2])| match config.model.keeps_weights(field, before) {
        true => Ok(format!("{field} = {now}, and the checkpoint's model had {before}: its weights fit")),
        false => Err(refuse(checkpoint, other_model(field, before, now))),
    };
    of_model.map(sentence).collect()
}

fn other_model(field: &str, before: &str, now: &str) -> String {
    format!("{field} = {now}, but the checkpoint's model has {before}")
}

/// Checks that the tokens mean the same. Returns what else differs.
fn same_tokens(
    checkpoint: &Checkpoint,
    config: &TrainConfig,
    identity: &Identity,
) -> Result<BTreeMap<String, [String; 2]>, TrainError> {
    if checkpoint.manifest().tokenizer != identity.tokenizer {
        let file = format!("{}/tokenizer.json", checkpoint.location());
        let reason = format!(
            "the tokenizer is not the one of the checkpoint's run (data.tokenizer, data.text): for another text with the same \
             tokens give data.tokenizer = \"{file}\""
        );
        return Err(refuse(checkpoint, reason));
    }
    Ok(differences(&read_config(checkpoint)?, config))
}
