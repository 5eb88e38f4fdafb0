// What the fake worker answers: plausible, and the same each time.
import type * as m from "../../src/messages.ts";

export const SETTINGS: m.Settings = {
  layers: 3,
  width: 96,
  heads: 6,
  context_length: 64,
  dropout: 0,
  tokenizer: "char",
  batch: 8,
  steps: 200,
  learning_rate: 0.002,
  warmup_steps: 10,
  seed: 7,
  evaluate_every: 20,
  sample_every: 20,
  save_every: 20,
  prompt: "",
};

/** Pseudo-random in 0..1, of a number. */
const noise = (n: number) => {
  const x = Math.sin(n * 12.9898) * 43758.5453;
  return x - Math.floor(x);
};

export const validation = (step: number) => 1.9 + 2.25 * Math.exp(-step / 45);
const training = (step: number) => validation(step) - 0.0006 * step + 0.22 * (noise(step) - 0.5);

export const figures = (step: number): m.StepFigures => ({
  step,
  loss: training(step),
  learning_rate: 0.003,
  grad_norm: 1 + noise(step),
  seconds: 0.02 * step,
});

const STAGES = [
  "tneo ahs  ierw,lh t\nsoae nidt hre  ueo.s ntah\neirl tho aen isd",
  "the sand wher in hath mo the,\nAnd ther beath so ther with the nout\nThe kind of men",
  "THESEUS:\nWhat, shall we hear the lover of the moon?\nThe night is soft, and so the court is still.\n\nHERMIA:\nI would my heart had learned another song.",
];

export const sample = (step: number): m.Sample => ({
  step,
  prompt: "",
  text: STAGES[Math.min(STAGES.length - 1, Math.floor(step / 60))]!,
});

export const device = (module: "cpu" | "gpu", software: boolean): m.DeviceInfo =>
  module === "cpu"
    ? {
        module,
        name: "Processor, one thread (wasm, 128-bit vectors)",
        software: false,
        missing: [],
        version: "0.9.0",
      }
    : {
        module,
        name: software ? "Google SwiftShader" : "Apple M3 Pro",
        software,
        missing: ["16-bit floating point numbers (shader-f16)"],
        version: "0.9.0",
      };

const counted = (tokens: number, vocabulary: number): m.TokenCount => ({
  tokens: tokens - Math.round(tokens / 10),
  validation_tokens: Math.round(tokens / 10),
  vocabulary,
  uniform: Math.log(vocabulary),
  bigram: 2.47,
});

export const textInfo = (name: string, text: string): m.TextInfo => {
  const counts = new Map<string, number>();
  for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1);
  const alphabet = [...counts].sort((a, b) => b[1] - a[1]).map(([c]) => c);
  return {
    name,
    bytes: text.length,
    characters: text.length,
    lines: text.split("\n").length,
    alphabet: alphabet.join(""),
    unseen: alphabet.slice(-2).join(""),
    char: counted(text.length, alphabet.length),
    byte: counted(text.length, 256),
  };
};

export const plan = (s: m.Settings): m.PlanInfo => {
  const blocks = s.layers * 12 * s.width ** 2;
  const embedding = 65 * s.width;
  const parameters = blocks + embedding;
  const activations = s.batch * s.context_length * s.width * s.layers * 64;
  return {
    parameters,
    parts: [
      { name: "embedding", parameters: embedding },
      { name: `${s.layers} blocks`, parameters: blocks },
    ],
    memory: [
      { name: "weights", bytes: 4 * parameters },
      { name: "gradients", bytes: 4 * parameters },
      { name: "moments", bytes: 8 * parameters },
      { name: "activations", bytes: activations },
    ],
    peak_bytes: 16 * parameters + activations,
    tokens_per_step: s.batch * s.context_length,
    flops_per_step: 6 * parameters * s.batch * s.context_length,
    refused:
      s.width % s.heads !== 0
        ? `A width of ${s.width} is no multiple of ${s.heads} heads.`
        : s.width > 512
          ? "A buffer of 402 MiB is needed, and this device allows 128 MiB."
          : null,
    step: "One micro-batch, in one piece.",
  };
};

export const certificate = (passed: boolean): m.CertificateInfo => ({
  passed,
  rows: ["2 layers, width 32", "1 layer, width 64"].map((model, i) => ({
    model,
    loss_error: 1.2e-6,
    gradient: "blocks.0.attention.query",
    gradient_error: passed || i === 0 ? 3.4e-5 : 0.31,
    passed: passed || i === 0,
  })),
});

const upTo = (step: number, every: number) =>
  Array.from({ length: Math.floor(step / every) }, (_, i) => (i + 1) * every);

export const run = (settings: m.Settings, step: number, steps: number): m.RunInfo => ({
  settings,
  step,
  steps,
  seconds: 0.02 * step,
  parameters: plan(settings).parameters,
  has_text: true,
  figures: upTo(step, 1).map((at) => figures(at - 1)),
  evaluations: upTo(step, 20).map((at) => ({ step: at, loss: validation(at) })),
  samples: upTo(step, 20).map(sample),
  notes: [],
  checkpoints: [{ step, bytes: 1_234_567 }],
  is_plain: true,
  config: "seed = 7\n",
});

export const look = (prompt: string): m.LookInfo => {
  const tokens = [...prompt].slice(-48);
  const row = (n: number, head: number) => {
    const raw = tokens.map((_, j) =>
      j > n ? 0 : noise(n * 7 + j * 3 + head * 11) ** 6 + (j === n - head ? 0.8 : 0),
    );
    const sum = raw.reduce((a, b) => a + b, 0) || 1;
    return raw.map((w) => w / sum);
  };
  return {
    tokens,
    losses: tokens.map((_, i) => (i === 0 ? null : 5 * noise(i) ** 2)),
    next: ["e", " ", "\n", "t", "a", "o", "h", "s"].map((text, i) => ({
      text,
      probability: 0.4 * 0.62 ** i,
    })),
    layers: 2,
    heads: 4,
    attention: [0, 1].map((l) => [0, 1, 2, 3].map((h) => tokens.map((_, n) => row(n, l + h)))),
  };
};

/** A run's folder, of which the weights are long enough to be packed in pieces. */
export const folder = (step: number) => {
  const at = `step-${String(step).padStart(8, "0")}`;
  const words = (text: string) => new TextEncoder().encode(text);
  const files: [string, Uint8Array][] = [
    [`${at}/model.safetensors`, Uint8Array.from({ length: 1_200_000 }, (_, i) => i % 251)],
    [`${at}/state.json`, words(JSON.stringify({ step }))],
    ["metrics.jsonl", words('{"step":1,"loss":4.1}\n')],
    ["config.toml", words("seed = 7\n")],
    ["input.txt", words("To be, or not to be\n")],
  ];
  return { names: files.map(([name]) => name), files: files.map(([, bytes]) => bytes) };
};
