// The settings of a run: their limits, the presets, and how a preset fits itself to the measured time of a step.
import type { Settings } from "./messages.ts";

export type Key = keyof Settings;
export type Range = { min: number; max: number; step: number };

/** What the fields accept; what a device refuses beyond that is said by the plan. */
export const RANGES: Partial<Record<Key, Range>> = {
  layers: { min: 1, max: 24, step: 1 },
  width: { min: 8, max: 1024, step: 8 },
  heads: { min: 1, max: 32, step: 1 },
  context_length: { min: 8, max: 1024, step: 8 },
  dropout: { min: 0, max: 0.9, step: 0.05 },
  batch: { min: 1, max: 256, step: 1 },
  steps: { min: 1, max: 1_000_000, step: 1 },
  learning_rate: { min: 0, max: 1, step: 0.0001 },
  warmup_steps: { min: 0, max: 100_000, step: 1 },
  seed: { min: 0, max: 2 ** 32 - 1, step: 1 },
  evaluate_every: { min: 0, max: 1_000_000, step: 1 },
  sample_every: { min: 0, max: 1_000_000, step: 1 },
  save_every: { min: 0, max: 1_000_000, step: 1 },
};

/** The fields that say what the model is, and those of its training. */
export const MAIN: Key[] = ["layers", "width", "heads", "context_length", "steps", "seed"];
export const MORE: Key[] = [
  "batch",
  "learning_rate",
  "warmup_steps",
  "dropout",
  "tokenizer",
  "evaluate_every",
  "sample_every",
  "save_every",
  "prompt",
];

export type Preset = "quick" | "lesson" | "night";
export const PRESETS: Preset[] = ["quick", "lesson", "night"];

type Shape = Pick<Settings, "layers" | "width" | "heads" | "context_length" | "batch">;
type Plan = {
  seconds: number;
  /** From the wanted size down to what a slow machine gets. */
  shapes: Shape[];
  /** Fewer steps than this teach too little: then the next smaller shape is taken. */
  enough: number;
  most: number;
  rest: Partial<Settings>;
};

const shape = (
  layers: number,
  width: number,
  heads: number,
  context_length: number,
  batch: number,
): Shape => ({
  layers,
  width,
  heads,
  context_length,
  batch,
});

const PLANS: Record<Preset, Plan> = {
  quick: {
    seconds: 30,
    shapes: [shape(2, 64, 4, 64, 8), shape(2, 32, 4, 64, 8), shape(1, 32, 4, 32, 8)],
    enough: 100,
    most: 2000,
    rest: { steps: 150, learning_rate: 3e-3, warmup_steps: 20, dropout: 0 },
  },
  lesson: {
    seconds: 300,
    shapes: [shape(4, 128, 4, 64, 12), shape(3, 96, 4, 64, 12), shape(2, 64, 4, 64, 8)],
    enough: 400,
    most: 5000,
    rest: { steps: 800, learning_rate: 3e-3, warmup_steps: 50, dropout: 0 },
  },
  night: {
    seconds: 8 * 3600,
    shapes: [shape(6, 192, 6, 128, 16), shape(4, 128, 4, 128, 12)],
    enough: 4000,
    most: 50_000,
    rest: { steps: 20_000, learning_rate: 1e-3, warmup_steps: 200, dropout: 0.1 },
  },
};

const TEN_EACH = { evaluate_every: 0, sample_every: 0, save_every: 0 };

/** A round number that is not above `n`. */
const round = (n: number) => {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, n))) - 1);
  return Math.max(1, Math.floor(n / (5 * unit)) * 5 * unit || Math.floor(n / unit) * unit);
};

/** Seconds of work that a killed tab may cost. */
const SECONDS_BETWEEN_SAVES = 20;

const intervals = (steps: number, secondsPerStep: number | null): typeof TEN_EACH => {
  const every = round(steps / 10);
  const save = secondsPerStep ? round(SECONDS_BETWEEN_SAVES / secondsPerStep) : every;
  return { evaluate_every: every, sample_every: every, save_every: Math.min(save, round(steps / 2)) };
};

export const preset = (name: Preset, now: Settings, rung = 0): Settings => {
  const { shapes, rest } = PLANS[name];
  const chosen = shapes[Math.min(rung, shapes.length - 1)]!;
  const steps = rest.steps!;
  return { ...now, ...rest, ...chosen, ...intervals(steps, null) };
};

/** The preset for a machine that takes so long for a step; `next` is a smaller rung to measure, where this one is too slow. */
export const fit = (name: Preset, now: Settings, secondsPerStep: number, rung: number) => {
  const { seconds, enough, most, shapes } = PLANS[name];
  const steps = Math.floor((0.9 * seconds) / secondsPerStep);
  if (steps < enough && rung + 1 < shapes.length)
    return { settings: preset(name, now, rung + 1), next: rung + 1 };
  const fitted = Math.min(most, Math.max(20, round(steps)));
  const warmup_steps = Math.min(now.warmup_steps, Math.ceil(fitted / 5));
  return {
    settings: { ...now, steps: fitted, warmup_steps, ...intervals(fitted, secondsPerStep) },
    next: null,
  };
};

export const DEFAULT: Settings = preset("quick", {
  ...shape(0, 0, 0, 0, 0),
  ...TEN_EACH,
  dropout: 0,
  tokenizer: "char",
  steps: 0,
  learning_rate: 0,
  warmup_steps: 0,
  seed: 1,
  prompt: "",
});

/** What of the settings decides how long a step takes. */
export const costOf = (s: Settings) =>
  [s.layers, s.width, s.heads, s.context_length, s.batch, s.tokenizer, s.dropout > 0].join(" ");

/** A number that a field may have, or null. */
export const accepted = (key: Key, text: string): number | null => {
  const n = Number(text.trim().replace(",", "."));
  const range = RANGES[key]!;
  const whole = Number.isInteger(range.step);
  if (text.trim() === "" || !Number.isFinite(n) || n < range.min || n > range.max) return null;
  return whole && !Number.isInteger(n) ? null : n;
};
