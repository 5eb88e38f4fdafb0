// What the worker says, put into the page's state.
import * as curve from "./curve.ts";
import * as history from "./history.ts";
import type { Reply } from "./messages.ts";
import * as state from "./state.ts";

const onState = (reply: Extract<Reply, { type: "state" }>) => {
  const wasBusy = state.busy.value;
  state.state.value = reply.state;
  state.step.value = reply.step;
  state.steps.value = reply.steps;
  if (reply.state === "training") state.kept.value = null;
  if (reply.state === "paused" || (wasBusy && !state.busy.value)) history.keep();
};

/** Everything but troubles and answers, which have their own ways. */
export const apply = (reply: Reply) => {
  switch (reply.type) {
    case "ready":
      state.storage.value = reply.storage;
      state.kept.value = reply.run;
      state.hasModel.value = reply.run !== null;
      state.state.value = "idle";
      break;
    case "state":
      return onState(reply);
    case "steps":
      curve.addSteps(reply.steps);
      state.step.value = Math.max(state.step.value, (curve.last.value?.step ?? -1) + 1);
      state.tokensPerSecond.value = reply.tokens_per_second;
      state.memoryBytes.value = reply.memory_bytes;
      state.hasModel.value = true;
      break;
    case "evaluation":
      return curve.addEvaluation({ step: reply.step, loss: reply.loss });
    case "sample":
      return curve.addSample(reply.sample);
    case "saved":
      state.saved.value = reply;
      if (reply.stored) state.dismiss("storage_full");
      break;
    case "note":
      return state.note(reply.words);
  }
};
