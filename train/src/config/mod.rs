//! What a run is: one TOML file, every field with its unit and its default.

mod data;
mod from;
mod kernels;
mod memory;
mod mistakes;
mod order;
mod parallel;
mod read;
mod reference;
mod report;
mod schema;
mod sources;
mod suggest;
mod syntax;
mod trained;
mod validate;
mod written;

use std::path::PathBuf;

pub use data::{DataConfig, MixturePart, PackingKind, TokenizerChoice};
use hearth_data::BatchSizes;
use hearth_model::TransformerConfig;
pub use kernels::Kernels;
pub use memory::{MemoryConfig, PolicyKind, SegmentRule};
pub use parallel::{OnLoss, ParallelConfig};
pub use reference::{Field, Section, sections};
pub use report::ReportConfig;
pub use schema::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
#[cfg(not(target_family = "wasm"))]
pub(crate) use sources::prepare;

use crate::{
    guard::GuardConfig,
    optim::{OptimizerConfig, Schedule},
};

/// A training run.
///
/// A program reads it from a TOML file ([`TrainConfig::read`]); a library's user begins with [`TrainConfig::new`] and sets what
/// differs from the defaults:
///
/// ```
/// use hearth_train::TrainConfig;
///
/// let mut config = TrainConfig::new(hearth_model::preset("shakespeare-cpu")?);
/// config.batch.micro_batch = 4;
/// config.limits.steps = 100;
/// config.validate()?;
/// assert_eq!(config.tokens_per_step(), 4 * 64);
/// # Ok::<(), hearth_train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TrainConfig {
    /// Decides initial weights, the order of the data and dropout. Default 0.
    pub seed: u64,
    /// The model whose weights the run begins with; a file gives it as `model.from`, which takes the model's shape from there, too.
    /// Default none: weights are drawn from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// The tokens and how they are cut: one of `text`, `tokens` and `mixture`. In a library, none where the run is given its text
    /// or tokens.
    pub data: DataConfig,
    /// The model: its shape and variants, or `preset = "NAME"` (`hearth presets` lists them) and what differs from it.
    pub model: TransformerConfig,
    /// How many sequences a step has: `micro_batch * accumulation`, each of `model.context_length` tokens.
    pub batch: BatchConfig,
    /// Memory that a step may take, and how it is saved. `memory = "recompute"` is short for `memory.policy = "recompute"`.
    pub memory: MemoryConfig,
    /// What computes: `"wgsl"`, Hearth's kernels (the default), in WGSL on GPUs and in Rust on the CPU; `"plain"`, Burn's
    /// operations alone; or a list of the kernels that run.
    pub kernels: Kernels,
    /// How parameters are updated: the rule, its learning rate, weight decay, the norm that gradients are clipped to; and
    /// parameters that differ, in groups.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course: warm-up, then constant, cosine or WSD.
    pub schedule: Schedule,
    /// Extras of the loss.
    pub loss: LossConfig,
    /// When the run ends: after so many steps, or so many training tokens, whichever comes first.
    pub limits: LimitsConfig,
    /// Validation while training.
    pub evaluation: EvaluationConfig,
    /// Sample texts while training.
    pub sample: SampleConfig,
    /// What is saved of a run, so that it can go on.
    pub checkpoint: CheckpointConfig,
    /// Which updates are left out, and when the run goes back or ends, because losses or gradients leap.
    pub guard: GuardConfig,
    /// How several devices share the work.
    pub parallel: ParallelConfig,
    /// What the run leaves for people to look at.
    pub report: ReportConfig,
}

/// How many sequences a step has: `micro_batch * accumulation`, each of `model.context_length` tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BatchConfig {
    /// Sequences that are on the device at once; under `memory.policy = "auto"` at most. Default 8.
    pub micro_batch: usize,
    /// Micro-batches whose gradients are summed before an update. Default 1.
    pub accumulation: usize,
    /// Steps over which the sequences of a step grow from `warmup_from` to all, in a line and by whole micro-batches (McCandlish et
    /// al. 2018, arXiv 1812.06162; as GPT-3, arXiv 2005.14165, and DeepSeek-V3, arXiv 2412.19437). Default 0: all from the first on.
    pub warmup_steps: u64,
    /// Sequences of the first step where `warmup_steps` is set, a multiple of `micro_batch`. Default 0: one micro-batch.
    pub warmup_from: usize,
}

/// Extras of the loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LossConfig {
    /// Weight of the squared log-normaliser (PaLM uses 1e-4). Default 0.
    pub z_loss: f64,
    /// Weight of the loss that keeps experts evenly busy (Switch, arXiv 2101.03961, uses 0.01), of each block's micro-batches by
    /// themselves; `optimizer.router_bias_rate` does without. It is not part of the loss that is reported. Default 0.
    pub router_balance: f64,
}

/// When the run ends: after so many steps, or so many training tokens, whichever comes first. 0 sets no limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Number of updates after which the run ends; 0 sets no limit. A file that gives `tokens` alone has no limit of steps.
    /// Default 1000.
    pub steps: u64,
    /// Number of training tokens after which the run ends; the last step is the one that reaches it. 0 (default) sets no
    /// limit.
    pub tokens: u64,
}

/// Validation while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EvaluationConfig {
    /// Steps between evaluations; 0 evaluates at the end only. Default 250.
    pub every: u64,
    /// Number of batches of `micro_batch` sequences, spread evenly over the validation text, the same each time. Default 20.
    pub batches: usize,
    /// Evaluations in a row without a lower loss after which the run ends; 0 (default) never ends it.
    pub patience: u64,
}

/// Sample texts while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SampleConfig {
    /// Steps between samples; 0 draws none. Default 0.
    pub every: u64,
    /// What the text continues. Default: the token between documents, or where there is none a line break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Number of tokens to draw. Default 200.
    pub tokens: usize,
    /// Divides the logits; 0 takes the likeliest token. Default 0.8.
    pub temperature: f64,
    /// Number of likeliest tokens to draw among; 0 for all. Default 0.
    pub top_k: usize,
}

/// What is saved of a run, so that it can go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CheckpointConfig {
    /// Steps between checkpoints; 0 makes one at the end only. Default 250.
    pub every: u64,
    /// Number of the newest checkpoints that are kept. Default 2.
    pub keep_last: usize,
    /// Checkpoints whose step is a multiple of this number are kept too; 0 (default) keeps no others.
    pub keep_every: u64,
    /// Whether each evaluation that is the best makes a checkpoint, the last of which is kept. Default true.
    pub keep_best: bool,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 250, keep_last: 2, keep_every: 0, keep_best: true }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { micro_batch: 8, accumulation: 1, warmup_steps: 0, warmup_from: 0 }
    }
}

impl BatchConfig {
    /// How many sequences each step has.
    pub fn sizes(&self) -> BatchSizes {
        let [micro_batch, accumulation] = [self.micro_batch as u64, self.accumulation as u64];
        if self.warmup_steps == 0 {
            return BatchSizes::constant(micro_batch.saturating_mul(accumulation));
        }
        let first = (self.warmup_from as u64 / micro_batch.max(1)).clamp(1, accumulation.max(1));
        BatchSizes::growing(micro_batch, first, accumulation.max(1), self.warmup_steps)
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { steps: 1000, tokens: 0 }
    }
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { every: 250, batches: 20, patience: 0 }
    }
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { every: 0, prompt: None, tokens: 200, temperature: 0.8, top_k: 0 }
    }
}

impl Default for TrainConfig {
    /// The configuration of a file without a line.
    fn default() -> Self {
        Self {
            seed: 0,
            from: None,
            data: DataConfig::default(),
            model: TransformerConfig::default(),
            batch: BatchConfig::default(),
            memory: MemoryConfig::default(),
            kernels: Kernels::default(),
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::default(),
            loss: LossConfig::default(),
            limits: LimitsConfig::default(),
            evaluation: EvaluationConfig::default(),
            sample: SampleConfig::default(),
            checkpoint: CheckpointConfig::default(),
            guard: GuardConfig::default(),
            parallel: ParallelConfig::default(),
            report: ReportConfig::default(),
        }
    }
}

impl TrainConfig {
    /// The configuration that trains `model` with every other value at its default. It names no data: set
    /// [`data`](Self::data) where the run is not given its text or tokens.
    pub fn new(model: TransformerConfig) -> Self {
        Self { model, ..Self::default() }
    }

    /// The configuration as TOML, with every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }

    /// Number of tokens of one step, once its batch has grown.
    pub fn tokens_per_step(&self) -> u64 {
        let sequences = self.batch.micro_batch as u64 * self.batch.accumulation as u64;
        sequences.saturating_mul(self.model.context_length as u64)
    }

    /// Number of tokens of the first `batches` steps.
    pub fn tokens_before(&self, batches: u64) -> u64 {
        self.batch.sizes().before(batches).saturating_mul(self.model.context_length as u64)
    }

    /// Number of tokens of the step that takes batch number `batch`.
    pub fn tokens_of(&self, batch: u64) -> u64 {
        self.batch.sizes().rows(batch).saturating_mul(self.model.context_length as u64)
    }

    /// Number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        let by_tokens = match self.limits.tokens {
            0 => u64::MAX,
            tokens => self.batch.sizes().reaching(tokens.div_ceil(self.model.context_length.max(1) as u64)),
        };
        match self.limits.steps {
            0 => by_tokens,
            steps => steps.min(by_tokens),
        }
    }
}
