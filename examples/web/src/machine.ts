// The workers: one that holds the run, and one beside it that times a step on the other device.
import { type Between, Client, type Ready, Refusal } from "./client.ts";
import type { Reply, Settings } from "./messages.ts";
import { costOf } from "./settings.ts";
import * as state from "./state.ts";
import type { Kind } from "./state.ts";
import { strings } from "./strings.ts";
import * as texts from "./texts.ts";

let run: Client | null = null;
let probe: Client | null = null;
let listen: (reply: Reply) => void = () => {};

export const setListener = (listener: (reply: Reply) => void) => (listen = listener);
export const client = () => run!;

const words = (reason: unknown) => (reason instanceof Error ? reason.message : String(reason));

const ready = (kind: Kind, { device }: Ready) => {
  const machine = state.machines[kind];
  machine.value = { ...machine.value, status: "ready", info: device, why: "" };
};

const failed = (kind: Kind, reason: unknown) => {
  state.machines[kind].value = { status: "failed", info: null, why: words(reason), speed: null };
};

const closeProbe = () => {
  probe?.end();
  probe = null;
};

/** Leaves the machine to a run. A module that is still loading goes on, for what it says of the GPU is wanted later. */
export const makeRoom = () => {
  if (state.machines.gpu.value.status !== "loading") closeProbe();
};

/** A run that only the worker's memory holds goes with it to the next one. */
const carry = async () => {
  const inMemory = run && state.hasModel.value && state.storage.value !== "ready";
  if (!inMemory) return null;
  const patience = new Promise<null>((resolve) => setTimeout(resolve, 10_000, null));
  return Promise.race([run!.ask({ type: "export" }).answer, patience]).catch(() => null);
};

/** Whether an error of its device has made the run's worker unfit for another run. */
let spoiled = false;
export const spoil = () => (spoiled = true);

/** Whether the processor's worker is the large module, for a run whose tokenizer the small one does not have. */
let large = false;
export const lacksTokenizer = (reason: unknown) =>
  reason instanceof Refusal && reason.trouble.kind === "large_module";

/** Opens the large module on the processor in place of the small one, which stays where the large one cannot be loaded. */
export const enlarge = async (): Promise<boolean> => {
  const trial = new Client("cpu-large-probe", () => {});
  try {
    await trial.ready;
  } catch {
    return false;
  } finally {
    trial.end();
  }
  large = true;
  return use("cpu");
};

/** Opens the worker of the run; the one before it ends first, for only one may hold the run's drive. */
export const open = async (kind: Kind): Promise<void> => {
  const files = await carry();
  run?.end();
  spoiled = false;
  if (probe?.name.startsWith(kind)) closeProbe();
  state.workerReady.value = false;
  state.module.value = kind;
  state.certificate.value = null;
  const opened = new Client(large && kind === "cpu" ? "cpu-large" : kind, (reply) => listen(reply));
  run = opened;
  try {
    ready(kind, await opened.ready);
  } catch (reason) {
    if (lacksTokenizer(reason) && !large) {
      large = true;
      return open(kind);
    }
    if (run === opened) failed(kind, reason);
    throw reason;
  }
  if (files) {
    const { answer } = opened.ask({ type: "import", names: files.names }, files.parts);
    await answer.then(({ run }) => {
      state.kept.value = run;
      state.hasModel.value = run !== null;
    });
  }
  await texts.give(opened);
  state.workerReady.value = true;
};

let opening: Promise<unknown> = Promise.resolve();
/** Until the worker that is being opened, if one is, has said what it keeps. */
export const opened = () => opening;

/** Opens the run's worker on this device, or says why not and stays with the processor. */
export const use = (kind: Kind): Promise<boolean> => {
  const used = tryOpening(kind);
  opening = used;
  return used;
};

/** A worker that can take a run: another one in place of one whose device had an error. */
export const fresh = async (): Promise<void> => {
  if (spoiled) await use(state.module.value);
};

const tryOpening = async (kind: Kind): Promise<boolean> => {
  try {
    await open(kind);
    return true;
  } catch (reason) {
    if (kind === "cpu") return false;
    state.note(strings.device.gpuFailed(words(reason)));
    state.dismiss("internal");
    await open("cpu").catch(() => {});
    return false;
  }
};

/** Streams the module of the GPU behind the first one, if the browser has an adapter. */
export const lookForGpu = async () => {
  const machine = state.machines.gpu;
  const absent = (why: string) => (machine.value = { status: "absent", info: null, why, speed: null });
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<object | null> } }).gpu;
  if (!gpu) return absent(strings.device.noWebGpu);
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return absent(strings.device.noAdapter);
  try {
    probe = new Client("gpu-probe", () => {});
    ready("gpu", await probe.ready);
    if (state.busy.value) closeProbe();
  } catch (reason) {
    closeProbe();
    failed("gpu", reason);
  }
};

const timed = async (kind: Kind, on: Client, settings: Settings) => {
  const { answer } = on.ask({ type: "probe", settings });
  const { seconds_per_step, tokens_per_second } = await answer;
  const speed = {
    cost: costOf(settings),
    secondsPerStep: seconds_per_step,
    tokensPerSecond: tokens_per_second,
  };
  state.machines[kind].value = { ...state.machines[kind].value, speed };
};

/** Times a step of the settings on one device. A device that refuses has no time. */
export const time = async (kind: Kind, settings: Settings): Promise<void> => {
  if (state.machines[kind].value.speed?.cost === costOf(settings)) return;
  try {
    if (kind === state.module.value) return await timed(kind, client(), settings);
    if (state.machines[kind].value.status !== "ready" && kind === "gpu") return;
    if (probe?.name !== `${kind}-probe`) {
      closeProbe();
      probe = new Client(`${kind}-probe`, () => {});
    }
    await probe.ready;
    await timed(kind, probe, settings);
  } catch (reason) {
    const machine = state.machines[kind];
    machine.value = { ...machine.value, speed: null };
    if (reason instanceof Refusal && reason.trouble.kind === "internal" && kind !== state.module.value) {
      closeProbe();
      failed(kind, reason);
    }
  }
};

/** Compares the device's numbers with the processor's. */
export const certify = async (between: Between) =>
  (await client().ask({ type: "certify" }, [], between).answer).certificate;
