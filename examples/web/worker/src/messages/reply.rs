//! What the worker tells the page.

use serde::Serialize;

use super::{RunInfo, Sample, StepFigures};

/// What the worker tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The worker is there.
    Ready { device: DeviceInfo, storage: StorageState, run: Option<RunInfo> },
    /// What a text is.
    Text { id: u32, text: TextInfo },
    /// What a run would take.
    Plan { id: u32, plan: PlanInfo },
    /// How long a step takes.
    Probe { id: u32, seconds_per_step: f64, tokens_per_second: f64 },
    /// How much of something long is done.
    Progress { id: u32, done: u32, of: u32 },
    /// Whether the device computes the right numbers.
    Certificate { id: u32, certificate: CertificateInfo },
    /// What it is about now.
    State { state: State, step: u32, steps: u32 },
    /// Figures of steps, at most ten times a second.
    Steps { steps: Vec<StepFigures>, tokens_per_second: Option<f64>, memory_bytes: f64 },
    /// Loss over the validation part, nats per token.
    Evaluation { step: u32, loss: f64 },
    /// A text that was drawn while it trains.
    Sample { sample: Sample },
    /// A piece of a text that is asked for.
    Token { id: u32, text: String },
    /// Its end, and why: `tokens`, `end_of_text` or `interrupted`.
    Generated { id: u32, tokens: u32, end: String },
    /// What the model makes of a text.
    Looked { id: u32, look: LookInfo },
    /// A checkpoint stands in the worker's memory and, if `stored`, in the browser's file system.
    Saved { step: u32, bytes: f64, stored: bool },
    /// What is stored or imported now.
    Run { id: u32, run: Option<RunInfo> },
    /// Files of the run, whose bytes come with the message in the order of the names; `command` goes on with it natively.
    Files { id: u32, names: Vec<String>, command: String },
    /// A sentence for people.
    Note { words: String },
    /// Something went wrong.
    Trouble { trouble: Trouble },
}

/// What the worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is training.
    Idle,
    /// Until the first step is done.
    Starting,
    /// A run takes steps.
    Training,
    /// It pauses at the next boundary.
    Pausing,
    /// It waits for a word.
    Paused,
    /// It ends at the next boundary.
    Stopping,
    /// It has ended in order.
    Done,
    /// It has ended by an error.
    Failed,
}

/// What computes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeviceInfo {
    /// Which of the two modules this is.
    pub module: ModuleName,
    /// Name of the device.
    pub name: String,
    /// Whether a GPU is only an imitation by the processor.
    pub software: bool,
    /// What the device or the browser lacks that would help, in words.
    pub missing: Vec<String>,
    /// Version of Hearth.
    pub version: String,
}

/// One of the two modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ModuleName {
    /// The processor alone.
    Cpu,
    /// WebGPU.
    Gpu,
}

/// Whether this worker may keep a run in the browser's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StorageState {
    /// It may.
    Ready,
    /// Another tab does.
    OtherTab,
    /// The browser has none, as in some private windows.
    Unavailable,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TextInfo {
    /// Name of its file.
    pub name: String,
    /// Bytes as UTF-8.
    pub bytes: u32,
    /// Number of characters.
    pub characters: u32,
    /// Number of lines.
    pub lines: u32,
    /// Different characters, the most frequent first.
    pub alphabet: String,
    /// Characters of the validation part that the training part does not have.
    pub unseen: String,
    /// Tokens, where each character is one.
    pub char: TokenCount,
    /// Tokens, where each byte is one.
    pub byte: TokenCount,
}

/// A text as tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TokenCount {
    /// Number of tokens to learn from.
    pub tokens: u32,
    /// Number of tokens to be measured on.
    pub validation_tokens: u32,
    /// Number of different tokens that there are.
    pub vocabulary: u32,
    /// Entropy of a token where each is as likely, nats: the natural logarithm of the vocabulary.
    pub uniform: f64,
    /// Entropy of a token given the one before it, nats.
    pub bigram: f64,
}

/// What a run would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PlanInfo {
    /// Number of parameters.
    pub parameters: f64,
    /// Parameters by part.
    pub parts: Vec<PartInfo>,
    /// Bytes of a step at its peak, by what takes them.
    pub memory: Vec<MemoryInfo>,
    /// Their sum.
    pub peak_bytes: f64,
    /// Tokens of a step.
    pub tokens_per_step: f64,
    /// Floating-point operations of a step.
    pub flops_per_step: f64,
    /// The limit that rules these settings out, in words.
    pub refused: Option<String>,
    /// How the step is cut, in words.
    pub step: String,
}

/// Parameters of a part of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PartInfo {
    /// The part.
    pub name: String,
    /// Number of its parameters.
    pub parameters: f64,
}

/// Memory by what it is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MemoryInfo {
    /// What it is for.
    pub name: String,
    /// Bytes.
    pub bytes: f64,
}

/// Whether the device computes the right numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CertificateInfo {
    /// Whether all models did.
    pub passed: bool,
    /// Each model that was trained on both.
    pub rows: Vec<CertificateRow>,
}

/// The comparison of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CertificateRow {
    /// Its name.
    pub model: String,
    /// The largest relative difference of a loss; null where one is no number.
    pub loss_error: Option<f64>,
    /// The parameter whose gradient differs most.
    pub gradient: String,
    /// Its difference, relative to the gradient's largest value.
    pub gradient_error: Option<f64>,
    /// Whether both are within what rounding explains.
    pub passed: bool,
}

/// What a model makes of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LookInfo {
    /// The tokens of the prompt, as text.
    pub tokens: Vec<String>,
    /// Loss of each token given those before it, nats; the first has none.
    pub losses: Vec<Option<f32>>,
    /// The likeliest next tokens and their probabilities, at the temperature.
    pub next: Vec<NextToken>,
    /// Number of blocks.
    pub layers: u32,
    /// Heads of each.
    pub heads: u32,
    /// Weights of attention: of each layer and head, row by row, from each position (row) to each one before it (column).
    pub attention: Vec<Vec<Vec<Vec<f32>>>>,
}

/// A token that may come next.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NextToken {
    /// The token as text.
    pub text: String,
    /// Its probability.
    pub probability: f32,
}

/// Something went wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Trouble {
    /// The request that it answers, if one.
    pub id: Option<u32>,
    /// What kind it is.
    pub kind: TroubleKind,
    /// What it is, and what to do.
    pub words: String,
    /// Whether a checkpoint is there to go on from.
    pub can_continue: bool,
}

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
pub enum TroubleKind {
    /// A text that is none.
    NotText,
    /// A text too short for a sequence.
    TextTooShort,
    /// Settings that do not go together.
    Settings,
    /// More than the device or the browser has.
    Limit,
    /// The device is gone.
    DeviceLost,
    /// WebGPU reported an error: nothing computed since can be relied on.
    GpuError,
    /// The device computes wrong numbers: the page's own word.
    WrongNumbers,
    /// The run has become unstable.
    Diverged,
    /// The browser's storage is full.
    StorageFull,
    /// The browser refuses to store.
    StorageRefused,
    /// Another tab has the storage: the page's own word.
    OtherTab,
    /// A checkpoint that is broken, newer, or of another run.
    BadCheckpoint,
    /// A run whose tokenizer the small module does not have.
    LargeModule,
    /// There is no more memory.
    OutOfMemory,
    /// Not while something else is going on.
    NotNow,
    /// A fault of the program.
    Internal,
}
