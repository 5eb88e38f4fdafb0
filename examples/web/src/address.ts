// Settings in the page's address, so that a link opens at an exercise; `hide=` and `lock=` are a teacher's.
import { signal } from "@preact/signals";
import type { Settings } from "./messages.ts";
import { accepted, DEFAULT, type Key } from "./settings.ts";

const SHORT: Record<Key, string> = {
  layers: "l",
  width: "w",
  heads: "h",
  context_length: "c",
  dropout: "d",
  tokenizer: "t",
  batch: "b",
  steps: "n",
  learning_rate: "r",
  warmup_steps: "u",
  seed: "s",
  evaluate_every: "e",
  sample_every: "a",
  save_every: "k",
  prompt: "p",
};
const KEYS = Object.keys(SHORT) as Key[];

/** Cards that `hide=` may name; `lock=` takes these and the names of fields. */
export const CARDS = ["text", "model", "device", "samples", "prompt", "look", "runs", "home"] as const;
export type Card = (typeof CARDS)[number];

export type Address = { settings: Settings; given: boolean; hidden: string[]; locked: string[] };

const listOf = (value: string | null) => (value ?? "").split(",").filter(Boolean);

const valueOf = (key: Key, text: string): string | number | null => {
  if (key === "prompt") return text.slice(0, 500);
  if (key === "tokenizer") return text === "byte" ? "byte" : "char";
  return accepted(key, text);
};

export const parse = (hash: string): Address => {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Record<string, string | number> = { ...DEFAULT };
  let given = false;
  for (const key of KEYS) {
    const text = query.get(SHORT[key]);
    const value = text === null ? null : valueOf(key, text);
    if (value === null) continue;
    settings[key] = value;
    given = true;
  }
  return {
    settings: settings as Settings,
    given,
    hidden: listOf(query.get("hide")),
    locked: listOf(query.get("lock")),
  };
};

export const print = (settings: Settings, hidden: string[], locked: string[]) => {
  const query = new URLSearchParams();
  for (const key of KEYS) {
    if (key === "prompt" && settings.prompt === "") continue;
    query.set(SHORT[key], String(settings[key]));
  }
  const lists = [
    ...(hidden.length ? [`hide=${hidden.map(encodeURIComponent).join(",")}`] : []),
    ...(locked.length ? [`lock=${locked.map(encodeURIComponent).join(",")}`] : []),
  ];
  return `#${[query.toString(), ...lists].join("&")}`;
};

const first = parse(location.hash);
export const hidden = signal(first.hidden);
export const locked = signal(first.locked);
/** Whether the address came with settings of its own: then no preset changes them. */
export const given = first.given;
export const initial = first.settings;

export const isHidden = (card: Card) => hidden.value.includes(card);
export const isLocked = (name: Card | Key) => locked.value.includes(name);

export const link = (settings: Settings) =>
  location.href.split("#")[0] + print(settings, hidden.value, locked.value);
