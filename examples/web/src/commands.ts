// What a person can ask for. The worker decides; what it answers is shown.
import * as certificate from "./certificate.ts";
import { type Answer, Refusal } from "./client.ts";
import { confirm } from "./confirm.ts";
import * as curve from "./curve.ts";
import { bytesOf, type Entry, joined, sort } from "./files.ts";
import * as history from "./history.ts";
import * as machine from "./machine.ts";
import type { Trouble } from "./messages.ts";
import { preset, type Preset } from "./settings.ts";
import * as state from "./state.ts";
import { strings } from "./strings.ts";
import * as texts from "./texts.ts";

export const alertOf = ({ kind, words, can_continue }: Trouble) =>
  state.alertOf({ kind, words, canContinue: can_continue });

/** Shows a failure in words, whatever it was. */
export const failed = (reason: unknown) => {
  if (reason instanceof Refusal) return alertOf(reason.trouble);
  const words = reason instanceof Error ? reason.message : String(reason);
  alertOf({ id: null, kind: "internal", words, can_continue: false });
};

const rightNumbers = async () => {
  try {
    if (await certificate.isRight()) return true;
    alertOf({ id: null, kind: "wrong_numbers", words: "", can_continue: state.hasModel.value });
  } catch (reason) {
    failed(reason);
  }
  return false;
};

/** The longest run that a new one may replace without a question, seconds. */
const CHEAP_SECONDS = 60;
let startedAt = 0;

const mayReplace = async (question: string, yes: string) => {
  const long = state.hasModel.value && startedAt > 0 && performance.now() - startedAt > CHEAP_SECONDS * 1e3;
  if (!state.kept.value && !long) return true;
  return confirm(strings.ask.replaceTitle, question, yes);
};

export const start = async () => {
  if (!(await mayReplace(strings.ask.replace, strings.ask.replaceYes))) return;
  machine.makeRoom();
  await machine.fresh();
  if (!(await rightNumbers())) return;
  state.alerts.value = [];
  state.notes.value = [];
  state.kept.value = null;
  state.saved.value = null;
  state.hasModel.value = false;
  startedAt = performance.now();
  history.begin();
  curve.clear();
  machine.client().send({ type: "start", settings: state.settings.value });
};

/** Goes on with the run that is kept or done, until so many steps in all; `isSame` if it is the run in sight. */
export const goOn = async (steps: number, isSame = false) => {
  machine.makeRoom();
  await machine.fresh();
  if (!(await rightNumbers())) return;
  const run = state.kept.value;
  if (run) {
    if (!isSame) history.begin();
    curve.show(run);
    state.chosenPreset.value = null;
    state.settings.value = { ...run.settings, steps };
    state.step.value = run.step;
  } else {
    state.settings.value = { ...state.settings.value, steps };
  }
  state.kept.value = null;
  state.alerts.value = [];
  machine.client().send({ type: "continue", steps });
};

export const pause = () => machine.client().send({ type: "pause" });
export const resume = () => machine.client().send({ type: "resume" });
export const step = (count: number) => machine.client().send({ type: "step", count });
export const stop = () => machine.client().send({ type: "stop" });
export const save = () => machine.client().send({ type: "save" });

export const forget = async () => {
  if (!(await confirm(strings.ask.forgetTitle, strings.ask.forget, strings.ask.forgetYes))) return;
  try {
    await machine.client().ask({ type: "forget" }).answer;
    state.kept.value = null;
    state.hasModel.value = false;
  } catch (reason) {
    failed(reason);
  }
};

export const choosePreset = (name: Preset) => {
  state.chosenPreset.value = name;
  state.settings.value = preset(name, state.settings.value);
};

const takeText = async (name: string, bytes: Uint8Array) => {
  try {
    const trouble = await texts.give(machine.client(), { name, bytes });
    if (trouble) return alertOf(trouble);
    state.dismiss("not_text");
    state.dismiss("text_too_short");
  } catch (reason) {
    failed(reason);
  }
};

export const useEmbedded = async () => {
  const { name, bytes } = await texts.embedded();
  await takeText(name, bytes);
};
export const usePasted = (text: string) => takeText(texts.pasted(text).name, texts.pasted(text).bytes);

/** Gives a run to the worker, and to the large module where the small one lacks its tokenizer. */
const give = async (names: string[], read: () => Promise<Uint8Array[]>) => {
  const ask = async () => machine.client().ask({ type: "import", names }, await read()).answer;
  try {
    return await ask();
  } catch (reason) {
    if (!machine.lacksTokenizer(reason) || !(await machine.enlarge())) throw reason;
    return ask();
  }
};

const importRun = async (names: string[], read: () => Promise<Uint8Array[]>) => {
  try {
    const { run } = await give(names, read);
    state.kept.value = run;
    state.hasModel.value = run !== null;
    state.dismiss("bad_checkpoint");
    if (run) curve.show(run);
    for (const words of run?.notes ?? []) state.note(words);
  } catch (reason) {
    failed(reason);
  }
};

const badFiles = (words: string) => alertOf({ id: null, kind: "bad_checkpoint", words, can_continue: false });

/** Takes what was dropped or chosen: a text, or a run. */
export const takeFiles = async (entries: Entry[]) => {
  await machine.opened();
  if (state.busy.value) return state.note(strings.text.notWhileTraining);
  const found = sort(entries);
  if (found.kind === "none")
    return alertOf({ id: null, kind: "not_text", words: strings.text.nothing, can_continue: false });
  if (found.kind === "runs") return badFiles(strings.home.manyRuns(found.count));
  if (found.kind === "text") {
    const name =
      found.files.length === 1 ? found.files[0]!.file.name : strings.text.several(found.files.length);
    return takeText(name, await joined(found.files));
  }
  if (!(await mayReplace(strings.ask.replaceByImport, strings.ask.importYes))) return;
  if (found.kind === "run") return importRun(found.names, () => Promise.all(found.files.map(bytesOf)));
  try {
    const { unpack } = await import("./zip.ts");
    const run = await unpack(found.file);
    if (run === null) return badFiles(strings.home.noRunInZip);
    // What is given to a worker is gone from here.
    await importRun(run.names, async () => run.parts.map((part) => part.slice()));
  } catch (reason) {
    badFiles(strings.home.badZip(reason instanceof Error ? reason.message : String(reason)));
  }
};

export const files = (): Promise<Answer<"export">> => machine.client().ask({ type: "export" }).answer;

/** Opens the run's worker on another device, at a person's wish. */
export const chooseMachine = async (kind: state.Kind) => {
  state.chosenByHand.value = true;
  if (kind !== state.module.value) await machine.use(kind);
};
