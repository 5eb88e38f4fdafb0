// What to do when something went wrong: each trouble with the ways out of it.
import * as commands from "./commands.ts";
import * as machine from "./machine.ts";
import type { Trouble } from "./messages.ts";
import * as state from "./state.ts";
import type { Alert } from "./state.ts";
import { strings } from "./strings.ts";
import { takeHome } from "./home.ts";

export type Way = { label: string; take(): unknown };

/** A device that is lost this often is left alone. */
const REOPENINGS = 3;
let reopenings = 0;

/** Steps without a loss after which a device counts as well again. */
const STEADY_STEPS = 100;
let lostAt = 0;

/** Opens the device again and goes on from the last checkpoint, or offers the processor. */
const reopen = async (trouble: Trouble) => {
  if (state.step.value > lostAt + STEADY_STEPS) reopenings = 0;
  lostAt = state.step.value;
  if (reopenings >= REOPENINGS || !trouble.can_continue) {
    machine.spoil();
    return commands.alertOf(trouble);
  }
  reopenings++;
  state.note(strings.trouble.reopening(reopenings, REOPENINGS));
  const steps = state.steps.value;
  const kind = state.module.value;
  state.state.value = "starting";
  if ((await machine.use(kind)) && state.hasModel.value) return commands.goOn(steps, true);
  state.state.value = "failed";
  commands.alertOf(trouble);
};

export const onTrouble = (trouble: Trouble) => {
  switch (trouble.kind) {
    case "not_now":
      return state.note(trouble.words);
    case "device_lost":
      return void reopen(trouble);
    case "gpu_error":
    case "out_of_memory":
      machine.spoil();
      return commands.alertOf(trouble);
    case "internal":
      // The worker is gone, and with it whoever would have said so.
      if (state.workerReady.value) state.state.value = "failed";
      state.workerReady.value = false;
      return commands.alertOf(trouble);
    default:
      return commands.alertOf(trouble);
  }
};

const onProcessor = async (goOn: boolean) => {
  const steps = state.steps.value;
  state.alerts.value = [];
  state.chosenByHand.value = true;
  if ((await machine.use("cpu")) && goOn && state.hasModel.value) await commands.goOn(steps, true);
};

const openAgain = async () => {
  state.alerts.value = [];
  await machine.use(state.module.value);
};

const slower = async () => {
  const { learning_rate } = state.settings.value;
  state.settings.value = {
    ...state.settings.value,
    learning_rate: Number((learning_rate / 3).toPrecision(2)),
  };
  await commands.start();
};

/** The ways out of a trouble, the best one first. */
export const waysOut = ({ kind, canContinue }: Alert): Way[] => {
  const to = strings.trouble.ways;
  const small = { label: to.smaller, take: () => commands.choosePreset("quick") };
  const home = { label: to.zip, take: takeHome };
  const again = { label: to.again, take: openAgain };
  const cpu = canContinue
    ? { label: to.goOnOnCpu, take: () => onProcessor(true) }
    : { label: to.cpu, take: () => onProcessor(false) };
  const gpu = state.module.value === "gpu";
  switch (kind) {
    case "not_text":
    case "text_too_short":
      return [{ label: to.embedded, take: commands.useEmbedded }];
    case "settings":
    case "limit":
      return [small];
    case "out_of_memory":
      return gpu ? [small, cpu] : [small, again];
    case "device_lost":
    case "gpu_error":
    case "wrong_numbers":
      return [cpu];
    case "diverged":
      return [{ label: to.slower, take: slower }];
    case "storage_full":
      return [home, { label: to.saveAgain, take: commands.save }];
    case "storage_refused":
      return [home];
    case "other_tab":
    case "internal":
      return [again];
    default:
      return [];
  }
};
