// The page while it trains: the screen stays on, a page that is hidden or frozen saves first, and one that would lose its
// run asks before it closes.
import { effect } from "@preact/signals";
import * as machine from "./machine.ts";
import { busy, state, storage } from "./state.ts";

type Lock = { release(): Promise<void> };
let lock: Lock | null = null;

const awake = async (wanted: boolean) => {
  if (!wanted) {
    await lock?.release().catch(() => {});
    lock = null;
  } else if (!lock && document.visibilityState === "visible") {
    lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  }
};

export const watch = () => {
  effect(() => void awake(state.value === "training"));
  const save = () => {
    if (state.value === "training") machine.client().send({ type: "save" });
  };
  document.addEventListener("visibilitychange", () => {
    // A hidden page loses its lock by itself.
    lock = null;
    if (document.visibilityState === "hidden") save();
    else void awake(state.value === "training");
  });
  document.addEventListener("freeze", save);
  window.addEventListener("beforeunload", (event) => {
    if (busy.value && storage.value !== "ready") event.preventDefault();
  });
};
