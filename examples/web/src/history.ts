// The last runs, kept in this browser so that they can be compared.
import { signal } from "@preact/signals";
import { curve, type Point, thin } from "./curve.ts";
import type { Settings } from "./messages.ts";
import * as state from "./state.ts";

const STORE = "hearth-runs";
const MOST_RUNS = 5;
const MOST_POINTS = 300;

export type Past = {
  id: string;
  date: number;
  textName: string;
  device: string;
  settings: Settings;
  step: number;
  train: Point[];
  evaluations: Point[];
};

const load = (): Past[] => {
  try {
    const runs: unknown = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(runs)
      ? (runs as Past[]).filter((run) => Array.isArray(run?.train) && run.settings)
      : [];
  } catch {
    return [];
  }
};

export const past = signal<Past[]>(load());
/** Name of the run in sight; another one at each start. */
let current = "";
export const begin = () => (current = `${Date.now()}`);

const store = (runs: Past[]) => {
  past.value = runs;
  try {
    localStorage.setItem(STORE, JSON.stringify(runs));
  } catch {
    // Without storage they are kept as long as the page.
  }
};

/** Puts the run in sight among the last ones, or brings it up to date. */
export const keep = () => {
  if (curve.train.length < 2) return;
  if (!current) begin();
  const run: Past = {
    id: current,
    date: Date.now(),
    textName: state.text.value?.name ?? "",
    device: state.machine.value.info?.name ?? "",
    settings: state.settings.value,
    step: state.step.value,
    train: thin(curve.train, MOST_POINTS),
    evaluations: thin(curve.evaluations, MOST_POINTS),
  };
  store([...past.value.filter((other) => other.id !== run.id), run].slice(-MOST_RUNS));
};

export const forget = (id: string) => store(past.value.filter((run) => run.id !== id));

/** What differs among the runs, as one list of keys and values each; the first is compared with the others, too. */
export const differences = (runs: Past[]): [string, string][][] => {
  const rows = runs.map((run) => ({ ...run.settings, text: run.textName, device: run.device }));
  const keys = Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[];
  const different = keys.filter((key) => new Set(rows.map((row) => row[key])).size > 1);
  return rows.map((row) => different.map((key) => [key, String(row[key])]));
};
