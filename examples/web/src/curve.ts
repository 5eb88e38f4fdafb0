// The figures of the run in sight. They come ten times a second, so they are plain arrays and one signal that says
// "changed", which charts read when they next draw.
import { signal } from "@preact/signals";
import type { RunInfo, Sample, StepFigures } from "./messages.ts";

export type Point = { step: number; loss: number };

export const version = signal(0);
export const curve = { train: [] as Point[], evaluations: [] as Point[], seconds: [] as number[] };
export const samples = signal<Sample[]>([]);
/** The figures of the newest step. Steps are numbered from 0, so the curve has its loss one further on. */
export const last = signal<StepFigures | null>(null);

const changed = () => version.value++;

/** Steps are taken again after a run went back to a checkpoint: what is behind them no longer holds. */
const cut = (points: Point[], step: number) => {
  while (points.length > 0 && points[points.length - 1]!.step >= step) points.pop();
};

/** Of this many steps the time is kept, to tell how long the rest takes. */
const RECENT = 30;

export const addSteps = (figures: StepFigures[]) => {
  for (const figure of figures) {
    const before = last.peek();
    const took = before && figure.step === before.step + 1 ? figure.seconds - before.seconds : 0;
    if (took > 0) curve.seconds.push(took);
    const step = figure.step + 1;
    cut(curve.train, step);
    if (figure.loss !== null) curve.train.push({ step, loss: figure.loss });
    last.value = figure;
  }
  curve.seconds.splice(0, curve.seconds.length - RECENT);
  changed();
};

export const addEvaluation = (point: Point) => {
  cut(curve.evaluations, point.step);
  curve.evaluations.push(point);
  changed();
};

export const addSample = (sample: Sample) => {
  samples.value = [...samples.value.filter((s) => s.step < sample.step), sample];
};

export const clear = () => {
  curve.train = [];
  curve.evaluations = [];
  curve.seconds = [];
  samples.value = [];
  last.value = null;
  changed();
};

export const show = (run: RunInfo) => {
  clear();
  addSteps(run.figures);
  curve.seconds = [];
  curve.evaluations = run.evaluations.map(({ step, loss }) => ({ step, loss }));
  samples.value = run.samples;
  changed();
};

/** Median seconds of a recent step, which a pause or an evaluation in between does not move. */
export const recentSeconds = (): number | null => {
  const sorted = [...curve.seconds].sort((a, b) => a - b);
  return sorted.length < 3 ? null : sorted[sorted.length >> 1]!;
};

/** At most `most` points, evenly chosen, with the first and the last. */
export const thin = (points: Point[], most: number): Point[] => {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!);
};
