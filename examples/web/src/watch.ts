// What follows from a change of text, settings or device: the plan, the time of a step, the address.
import { effect } from "@preact/signals";
import * as address from "./address.ts";
import { Refusal } from "./client.ts";
import * as machine from "./machine.ts";
import { costOf, fit } from "./settings.ts";
import * as state from "./state.ts";

const PLAN_AFTER_MS = 200;
const PROBE_AFTER_MS = 500;
const ADDRESS_AFTER_MS = 300;

const later = (ms: number) => {
  let timer: ReturnType<typeof setTimeout>;
  return (work: () => unknown) => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
};

const plan = async () => {
  // The worker may have been replaced meanwhile, or train: it is asked once it has the text, and the time.
  if (!idle()) return;
  const settings = state.settings.value;
  try {
    const { answer } = machine.client().ask({ type: "plan", settings });
    const { plan } = await answer;
    if (settings === state.settings.value) state.plan.value = plan;
  } catch (reason) {
    // Settings that make no model are a refusal of the plan, not an alarm while somebody types.
    if (!(reason instanceof Refusal) || settings !== state.settings.value || !state.plan.value) return;
    if (reason.trouble.kind === "not_now") return;
    state.plan.value = { ...state.plan.value, refused: reason.trouble.words };
  }
};

/** The rung of the preset that is being measured. */
let rung = 0;
let rungOf: string | null = null;

const fitPreset = () => {
  const preset = state.chosenPreset.value;
  const { speed } = state.machine.value;
  const settings = state.settings.value;
  if (!preset || !speed || speed.cost !== costOf(settings) || state.kept.value) return;
  if (rungOf !== preset) [rung, rungOf] = [0, preset];
  const fitted = fit(preset, settings, speed.secondsPerStep, rung);
  if (fitted.next !== null) rung = fitted.next;
  if (JSON.stringify(fitted.settings) !== JSON.stringify(settings)) state.settings.value = fitted.settings;
};

const idle = () => !state.busy.value && state.workerReady.value;

/** The faster device of the two, where both were timed with these settings and nobody chose. */
const chooseFaster = async () => {
  const cost = costOf(state.settings.value);
  const [cpu, gpu] = [state.machines.cpu.value.speed, state.machines.gpu.value.speed];
  if (state.chosenByHand.value || !idle() || cpu?.cost !== cost || gpu?.cost !== cost) return;
  const faster = gpu.secondsPerStep < cpu.secondsPerStep ? "gpu" : "cpu";
  if (faster !== state.module.value) await machine.use(faster);
};

const probe = async (again: () => void) => {
  if (!idle() || !state.text.value || state.probing.peek()) return;
  const settings = state.settings.value;
  const own = state.module.value;
  const other = own === "cpu" ? "gpu" : "cpu";
  state.probing.value = true;
  await machine.time(own, settings);
  // A GPU that may be faster decides how large a preset is; an imitation of one need not be waited for.
  const { status, info } = state.machines[other].value;
  const waits = other === "gpu" && (status === "loading" || status === "ready") && !info?.software;
  if (!waits) fitPreset();
  if (idle() && status === "ready") await machine.time(other, settings);
  await chooseFaster();
  fitPreset();
  state.probing.value = false;
  if (costOf(settings) !== costOf(state.settings.value)) again();
};

export const watch = () => {
  const soonPlan = later(PLAN_AFTER_MS);
  const soonProbe = later(PROBE_AFTER_MS);
  const soonAddress = later(ADDRESS_AFTER_MS);
  const probeSoon = () => soonProbe(() => probe(probeSoon));
  effect(() => {
    void [state.settings.value, state.text.value, state.module.value];
    if (state.workerReady.value && state.text.value && !state.busy.value) soonPlan(plan);
  });
  effect(() => {
    void [costOf(state.settings.value), state.text.value, state.chosenPreset.value];
    void [state.machines.gpu.value.status, state.module.value];
    if (idle()) probeSoon();
  });
  let first = true;
  effect(() => {
    const settings = state.settings.value;
    if (!first) {
      soonAddress(() =>
        window.history.replaceState(
          null,
          "",
          address.print(settings, address.hidden.value, address.locked.value),
        ),
      );
    }
    first = false;
  });
  window.addEventListener("hashchange", () => {
    const { settings, hidden, locked } = address.parse(location.hash);
    address.hidden.value = hidden;
    address.locked.value = locked;
    if (state.busy.value) return;
    state.chosenPreset.value = null;
    state.settings.value = settings;
  });
};
