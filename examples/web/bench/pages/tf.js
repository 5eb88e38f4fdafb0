import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-webgl";
import "@tensorflow/tfjs-backend-webgpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { gpt } from "./gpt.js";

setWasmPaths("/tfjs-wasm/");

/** Seconds of each step on one backend, counted from the first, of at most so many steps or milliseconds. */
export const tfjs = async (backend, { layers, width, heads, context_length, batch, steps }, text, limit) => {
  if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`);
  await tf.ready();
  const alphabet = [...new Set(text)].sort();
  const at = new Map(alphabet.map((character, index) => [character, index]));
  const tokens = Int32Array.from(text, (character) => at.get(character));
  const model = gpt({
    layers,
    width,
    heads,
    context: context_length,
    batch,
    vocabulary: alphabet.length,
    lookUp: backend !== "wasm",
    explicit: backend === "wasm",
  });
  const seconds = [];
  const losses = [];
  const marks = [];
  const start = performance.now();
  // The loss is read two steps late, as ours is, so that a GPU never waits for the page.
  const late = [];
  const settle = async () => {
    const loss = late.shift();
    losses.push((await loss.data())[0]);
    loss.dispose();
    seconds.push((performance.now() - start) / 1000);
    marks.push({ step: seconds.length - 1, at: Date.now() });
  };
  // Where a step takes seconds, a warm-up of three is enough, and reading late would hide what is not yet computed.
  let isSlow = false;
  let from = 10;
  let warm;
  for (let step = 0; step < steps; step++) {
    const inputs = new Int32Array(batch * context_length);
    const targets = new Int32Array(batch * context_length);
    for (let row = 0; row < batch; row++) {
      const begin = Math.floor(Math.random() * (tokens.length - context_length - 1));
      inputs.set(tokens.subarray(begin, begin + context_length), row * context_length);
      targets.set(tokens.subarray(begin + 1, begin + context_length + 1), row * context_length);
    }
    late.push(model.step(inputs, targets));
    while (late.length > (isSlow || step < 3 ? 0 : 2)) await settle();
    if (step === 2 && seconds[2] - seconds[1] > 0.5) {
      isSlow = true;
      from = 2;
    }
    if (step === from) warm = performance.now();
    if (step >= from + 3 && performance.now() - warm > limit) break;
  }
  while (late.length) await settle();
  return { seconds, from, losses, marks, device: await name(backend), parameters: model.parameters };
};

const name = async (backend) => {
  if (backend === "webgl") {
    const gl = document.createElement("canvas").getContext("webgl2");
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    return gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  }
  if (backend === "webgpu") {
    const { info } = await navigator.gpu.requestAdapter();
    return [info.vendor, info.architecture, info.description].filter(Boolean).join(" ");
  }
  return backend === "wasm" ? "CPU, 1 thread, SIMD" : "CPU, JavaScript";
};
