// The worker's frame: it picks the module by its own name (`cpu`, `cpu-large`, `gpu`; behind each perhaps `-probe`), hands it
// the platform, and passes requests on in their order.
import { platform, postTrouble } from "./platform.ts";

type Module = {
  default: () => Promise<unknown>;
  start(p: object): unknown;
  receive(r: string, p: Uint8Array[]): unknown;
};

const load = async (): Promise<Module> => {
  const module: Module = /^gpu|-large/.test(self.name)
    ? await import("../wasm/gpu/hearth_web.js")
    : await import("../wasm/cpu/hearth_web.js");
  await module.default();
  await module.start(platform(self.name));
  return module;
};

const words = (reason: unknown) => (reason instanceof Error ? reason.message : String(reason));

// A panic ends as an error of WebAssembly, within a call or a promise that nobody awaits.
self.addEventListener("error", (event) => postTrouble(event.message));
self.addEventListener("unhandledrejection", (event) => postTrouble(words(event.reason)));

const module = load();
module.catch((reason) => postTrouble(words(reason)));

self.onmessage = async ({ data }: MessageEvent<{ request: object; parts: Uint8Array[] }>) => {
  try {
    await (await module).receive(JSON.stringify(data.request), data.parts);
  } catch (reason) {
    postTrouble(words(reason));
  }
};
