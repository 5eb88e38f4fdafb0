// Made from examples/web/worker/src/messages: its test writes this file anew where HEARTH_BLESS=1.

export type Request = { "type": "text", id: number, name: string }
  | { "type": "plan", id: number, settings: Settings }
  | { "type": "probe", id: number, settings: Settings }
  | { "type": "certify", id: number }
  | { "type": "start", settings: Settings }
  | { "type": "import", id: number, names: Array<string> }
  | { "type": "continue", steps: number }
  | { "type": "export", id: number }
  | { "type": "forget", id: number }
  | { "type": "pause" }
  | { "type": "resume" }
  | { "type": "step", count: number }
  | { "type": "stop" }
  | { "type": "save" }
  | { "type": "generate", id: number, prompt: string, tokens: number, temperature: number, top_k: number, seed: number }
  | { "type": "cancel", id: number }
  | { "type": "look", id: number, prompt: string, temperature: number };

export type Settings = {
/**
 * Number of blocks.
 */
layers: number,
/**
 * Channels.
 */
width: number,
/**
 * Attention heads of a block.
 */
heads: number,
/**
 * Tokens of a sequence.
 */
context_length: number,
/**
 * Share of activations that are dropped in training.
 */
dropout: number,
/**
 * What a token is.
 */
tokenizer: TokenizerName,
/**
 * Sequences of a step.
 */
batch: number,
/**
 * Steps of the whole run.
 */
steps: number,
/**
 * The highest learning rate.
 */
learning_rate: number,
/**
 * Steps until it is reached.
 */
warmup_steps: number,
/**
 * Decides weights, the order of the data and texts.
 */
seed: number,
/**
 * Steps between evaluations; 0 for one at the end alone.
 */
evaluate_every: number,
/**
 * Steps between samples; 0 for none.
 */
sample_every: number,
/**
 * Steps between checkpoints; 0 for one at the end alone.
 */
save_every: number,
/**
 * What samples continue; empty for the beginning of a line.
 */
prompt: string };

export type TokenizerName = "char" | "byte";

export type Reply = { "type": "ready", device: DeviceInfo, storage: StorageState, run: RunInfo | null }
  | { "type": "text", id: number, text: TextInfo }
  | { "type": "plan", id: number, plan: PlanInfo }
  | { "type": "probe", id: number, seconds_per_step: number, tokens_per_second: number }
  | { "type": "progress", id: number, done: number, of: number }
  | { "type": "certificate", id: number, certificate: CertificateInfo }
  | { "type": "state", state: State, step: number, steps: number }
  | { "type": "steps", steps: Array<StepFigures>, tokens_per_second: number | null, memory_bytes: number }
  | { "type": "evaluation", step: number, loss: number }
  | { "type": "sample", sample: Sample }
  | { "type": "token", id: number, text: string }
  | { "type": "generated", id: number, tokens: number, end: string }
  | { "type": "looked", id: number, look: LookInfo }
  | { "type": "saved", step: number, bytes: number, stored: boolean }
  | { "type": "run", id: number, run: RunInfo | null }
  | { "type": "files", id: number, names: Array<string>, command: string }
  | { "type": "note", words: string }
  | { "type": "trouble", trouble: Trouble };

export type State = "idle" | "starting" | "training" | "pausing" | "paused" | "stopping" | "done" | "failed";

export type DeviceInfo = {
/**
 * Which of the two modules this is.
 */
module: ModuleName,
/**
 * Name of the device.
 */
name: string,
/**
 * Whether a GPU is only an imitation by the processor.
 */
software: boolean,
/**
 * What the device or the browser lacks that would help, in words.
 */
missing: Array<string>,
/**
 * Version of Hearth.
 */
version: string };

export type ModuleName = "cpu" | "gpu";

export type StorageState = "ready" | "other_tab" | "unavailable";

export type TextInfo = {
/**
 * Name of its file.
 */
name: string,
/**
 * Bytes as UTF-8.
 */
bytes: number,
/**
 * Number of characters.
 */
characters: number,
/**
 * Number of lines.
 */
lines: number,
/**
 * Different characters, the most frequent first.
 */
alphabet: string,
/**
 * Characters of the validation part that the training part does not have.
 */
unseen: string,
/**
 * Tokens, where each character is one.
 */
char: TokenCount,
/**
 * Tokens, where each byte is one.
 */
byte: TokenCount };

export type TokenCount = {
/**
 * Number of tokens to learn from.
 */
tokens: number,
/**
 * Number of tokens to be measured on.
 */
validation_tokens: number,
/**
 * Number of different tokens that there are.
 */
vocabulary: number,
/**
 * Entropy of a token where each is as likely, nats: the natural logarithm of the vocabulary.
 */
uniform: number,
/**
 * Entropy of a token given the one before it, nats.
 */
bigram: number };

export type PlanInfo = {
/**
 * Number of parameters.
 */
parameters: number,
/**
 * Parameters by part.
 */
parts: Array<PartInfo>,
/**
 * Bytes of a step at its peak, by what takes them.
 */
memory: Array<MemoryInfo>,
/**
 * Their sum.
 */
peak_bytes: number,
/**
 * Tokens of a step.
 */
tokens_per_step: number,
/**
 * Floating-point operations of a step.
 */
flops_per_step: number,
/**
 * The limit that rules these settings out, in words.
 */
refused: string | null,
/**
 * How the step is cut, in words.
 */
step: string };

export type PartInfo = {
/**
 * The part.
 */
name: string,
/**
 * Number of its parameters.
 */
parameters: number };

export type MemoryInfo = {
/**
 * What it is for.
 */
name: string,
/**
 * Bytes.
 */
bytes: number };

export type CertificateInfo = {
/**
 * Whether all models did.
 */
passed: boolean,
/**
 * Each model that was trained on both.
 */
rows: Array<CertificateRow> };

export type CertificateRow = {
/**
 * Its name.
 */
model: string,
/**
 * The largest relative difference of a loss; null where one is no number.
 */
loss_error: number | null,
/**
 * The parameter whose gradient differs most.
 */
gradient: string,
/**
 * Its difference, relative to the gradient's largest value.
 */
gradient_error: number | null,
/**
 * Whether both are within what rounding explains.
 */
passed: boolean };

export type LookInfo = {
/**
 * The tokens of the prompt, as text.
 */
tokens: Array<string>,
/**
 * Loss of each token given those before it, nats; the first has none.
 */
losses: Array<number | null>,
/**
 * The likeliest next tokens and their probabilities, at the temperature.
 */
next: Array<NextToken>,
/**
 * Number of blocks.
 */
layers: number,
/**
 * Heads of each.
 */
heads: number,
/**
 * Weights of attention: of each layer and head, row by row, from each position (row) to each one before it (column).
 */
attention: Array<Array<Array<Array<number>>>> };

export type NextToken = {
/**
 * The token as text.
 */
text: string,
/**
 * Its probability.
 */
probability: number };

export type Trouble = {
/**
 * The request that it answers, if one.
 */
id: number | null,
/**
 * What kind it is.
 */
kind: TroubleKind,
/**
 * What it is, and what to do.
 */
words: string,
/**
 * Whether a checkpoint is there to go on from.
 */
can_continue: boolean };

export type TroubleKind = "not_text" | "text_too_short" | "settings" | "limit" | "device_lost" | "gpu_error" | "wrong_numbers" | "diverged" | "storage_full" | "storage_refused" | "other_tab" | "bad_checkpoint" | "large_module" | "out_of_memory" | "not_now" | "internal";

export type RunInfo = {
/**
 * What of its configuration the page can set.
 */
settings: Settings,
/**
 * Steps until its newest whole checkpoint.
 */
step: number,
/**
 * Steps that it is to take.
 */
steps: number,
/**
 * Wall time until that checkpoint.
 */
seconds: number,
/**
 * Number of the model's parameters.
 */
parameters: number,
/**
 * Whether its text is there, so that it can go on at once.
 */
has_text: boolean,
/**
 * Figures of its steps, thinned where there are many.
 */
figures: Array<StepFigures>,
/**
 * Its evaluations.
 */
evaluations: Array<EvaluationFigures>,
/**
 * Its samples.
 */
samples: Array<Sample>,
/**
 * What was passed over, in words.
 */
notes: Array<string>,
/**
 * Its checkpoints, the newest first.
 */
checkpoints: Array<CheckpointInfo>,
/**
 * Whether the settings say all of its configuration.
 */
is_plain: boolean,
/**
 * Its configuration as TOML.
 */
config: string };

export type CheckpointInfo = {
/**
 * Steps until it.
 */
step: number,
/**
 * Bytes of its files.
 */
bytes: number };

export type StepFigures = {
/**
 * Number of the step, from 0.
 */
step: number,
/**
 * Training loss, nats per token.
 */
loss: number | null,
/**
 * Learning rate.
 */
learning_rate: number | null,
/**
 * Norm of the gradient before it is clipped.
 */
grad_norm: number | null,
/**
 * Wall time since the start of the run.
 */
seconds: number };

export type EvaluationFigures = {
/**
 * Steps until it.
 */
step: number,
/**
 * Loss over the validation part, nats per token.
 */
loss: number };

export type Sample = {
/**
 * Steps until it.
 */
step: number,
/**
 * What it continues.
 */
prompt: string,
/**
 * What was drawn.
 */
text: string };
