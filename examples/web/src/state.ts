// What the page knows, as signals. The worker's words come in through `replies.ts`; nothing here is guessed.
import { computed, signal } from "@preact/signals";
import * as address from "./address.ts";
import type {
  CertificateInfo,
  DeviceInfo,
  PlanInfo,
  RunInfo,
  Settings,
  State,
  StorageState,
  TextInfo,
  TroubleKind,
} from "./messages.ts";
import type { Preset } from "./settings.ts";

export type Kind = DeviceInfo["module"];
/** The time of a step, and the settings (`costOf`) that it was measured with. */
export type Speed = { cost: string; secondsPerStep: number; tokensPerSecond: number };
export type Machine = {
  status: "loading" | "ready" | "absent" | "failed";
  info: DeviceInfo | null;
  /** Why it cannot be used, in words. */
  why: string;
  speed: Speed | null;
};
export type Alert = { kind: TroubleKind; words: string; canContinue: boolean };

export const settings = signal<Settings>(address.initial);
export const chosenPreset = signal<Preset | null>(address.given ? null : "quick");

export const text = signal<TextInfo | null>(null);
export const readingText = signal(false);
export const plan = signal<PlanInfo | null>(null);

export const machines = {
  cpu: signal<Machine>({ status: "loading", info: null, why: "", speed: null }),
  gpu: signal<Machine>({ status: "loading", info: null, why: "", speed: null }),
};
/** The module whose worker holds the run, and whether a person chose it. */
export const module = signal<Kind>("cpu");
export const chosenByHand = signal(false);
export const certificate = signal<CertificateInfo | null>(null);
export const certifying = signal<{ done: number; of: number } | null>(null);
export const probing = signal(false);

export const workerReady = signal(false);
export const storage = signal<StorageState | null>(null);
export const state = signal<State>("idle");
export const step = signal(0);
export const steps = signal(0);
export const tokensPerSecond = signal<number | null>(null);
export const memoryBytes = signal<number | null>(null);
export const saved = signal<{ step: number; bytes: number; stored: boolean } | null>(null);

/** The run that is stored or imported and waits for an answer. */
export const kept = signal<RunInfo | null>(null);
/** Whether there is a model to ask: one that trains, trained, or was brought. */
export const hasModel = signal(false);
export const notes = signal<string[]>([]);
export const alerts = signal<Alert[]>([]);

/** States in which the run's settings, text and device cannot change. */
const BUSY: State[] = ["starting", "training", "pausing", "paused", "stopping"];
export const busy = computed(() => BUSY.includes(state.value));
export const tokenCount = computed(() => text.value?.[settings.value.tokenizer] ?? null);
export const machine = computed(() => machines[module.value].value);

export const alertOf = (alert: Alert) => {
  alerts.value = [...alerts.value.filter((other) => other.kind !== alert.kind), alert];
};
export const dismiss = (kind: TroubleKind) => {
  alerts.value = alerts.value.filter((alert) => alert.kind !== kind);
};
/** Two lines are as many as are read. */
const NOTES = 3;
export const note = (words: string) => {
  notes.value = [...notes.value.filter((other) => other !== words), words].slice(-NOTES);
};
