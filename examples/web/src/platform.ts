// What the module asks of the browser: messages to the page, a clock, a turn of the event loop, and the run's drive.
import { drive, noDrive } from "./drive.ts";
import type { Reply, Trouble } from "./messages.ts";

const post = (reply: Reply, parts: Uint8Array[] = []) => {
  // Only a part that fills its buffer can be given away; another one may be a view of the module's own memory.
  const own = parts.map((part) => (part.byteLength === part.buffer.byteLength ? part : part.slice()));
  self.postMessage({ reply, parts: own }, { transfer: own.map((part) => part.buffer as ArrayBuffer) });
};

/** The module itself failed: nothing that it says after this counts. */
export const postTrouble = (words: string) => {
  const trouble: Trouble = { id: null, kind: "internal", words, can_continue: false };
  post({ type: "trouble", trouble });
};

// A timer would be held to one turn a second in a hidden tab; a message to oneself is not.
const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

const breathe = () =>
  new Promise<void>((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });

type Info = { vendor: string; architecture: string; device: string; description: string };

/** What the browser tells of its GPU: often a maker and a family alone. */
const gpuName = async (): Promise<string | null> => {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ info: Info } | null> } }).gpu;
  const info = (await gpu?.requestAdapter())?.info;
  return info
    ? info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(" ") || null
    : null;
};

/** The platform of a worker: one that only times a step has no drive, so that it never holds the run's lock. */
export const platform = (name: string) => ({
  post: (json: string, parts: Uint8Array[] = []) => post(JSON.parse(json) as Reply, parts),
  now: () => performance.now(),
  breathe,
  wantsGpu: name.startsWith("gpu"),
  gpuName,
  ...(name.endsWith("-probe") ? noDrive : drive),
});
