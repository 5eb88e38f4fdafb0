// Speaks the worker's side of the protocol without a model: every figure follows from the step.
// Tests reach it by the channel "fake": `{ trouble }` makes it report one, and `{ crash }` throw.
import type { Reply, Request, RunInfo, Settings, State, Trouble } from "../../src/messages.ts";
import * as answers from "./answers.ts";

const [name = "", search] = self.name.split("?");
const query = new URLSearchParams(search);
const kind = name.startsWith("gpu") ? "gpu" : "cpu";
const isProbe = name.endsWith("-probe");
const storage = isProbe
  ? "unavailable"
  : ((query.get("storage") ?? "ready") as "ready" | "unavailable" | "other_tab");
const STEP_MS = Number(query.get("ms") ?? 4);
const store = new BroadcastChannel("fake-store");
const channel = new BroadcastChannel("fake");

let state: State = "idle";
let settings: Settings | null = null;
let step = 0;
let steps = 0;
let left = Infinity;
let text = "";
let kept: RunInfo | null = null;
let canceled = -1;

const post = (reply: Reply, parts: Uint8Array[] = []) => self.postMessage({ reply, parts });
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const set = (next: State) => {
  state = next;
  post({ type: "state", state, step, steps });
};
const trouble = (kind: Trouble["kind"], words: string, id: number | null = null) =>
  post({ type: "trouble", trouble: { id, kind, words, can_continue: step > 0 } });

const save = () => {
  if (storage === "ready") store.postMessage(JSON.stringify({ settings, step, steps }));
  post({ type: "saved", step, bytes: 1_234_567, stored: storage === "ready" });
};

const due = (every: number) => every > 0 && step % every === 0;

const oneStep = () => {
  step++;
  post({
    type: "steps",
    steps: [answers.figures(step - 1)],
    tokens_per_second: 12_345,
    memory_bytes: 45_000_000,
  });
  if (due(settings!.evaluate_every)) post({ type: "evaluation", step, loss: answers.validation(step) });
  if (due(settings!.sample_every)) post({ type: "sample", sample: answers.sample(step) });
  if (due(settings!.save_every)) save();
};

let running = false;
const train = async () => {
  if (running) return;
  running = true;
  while (state === "training" && step < steps && left-- > 0) {
    oneStep();
    await wait(STEP_MS);
  }
  running = false;
  const now = state as State;
  if (now === "pausing" || (now === "training" && step < steps)) return set("paused");
  if (now !== "training" && now !== "stopping") return;
  save();
  set("done");
};

const begin = async (from: number, to: number, of: Settings) => {
  [step, steps, settings, left] = [from, to, of, Infinity];
  set("starting");
  await wait(30);
  set("training");
  void train();
};

const generate = async (request: Extract<Request, { type: "generate" }>) => {
  const written = answers.sample(step).text;
  let tokens = 0;
  for (; tokens < request.tokens && canceled !== request.id; tokens++) {
    post({ type: "token", id: request.id, text: written[tokens % written.length]! });
    await wait(1);
  }
  post({
    type: "generated",
    id: request.id,
    tokens,
    end: canceled === request.id ? "interrupted" : "tokens",
  });
};

const certify = async (id: number) => {
  for (let done = 1; done <= 3; done++) {
    post({ type: "progress", id, done, of: 3 });
    await wait(20);
  }
  post({ type: "certificate", id, certificate: answers.certificate(!query.has("wrong")) });
};

const receiveText = (id: number, name: string, bytes: Uint8Array) => {
  const given = new TextDecoder().decode(bytes);
  if (given.includes("\0")) return trouble("not_text", `${name} holds zero bytes`, id);
  if (given.length < 50)
    return trouble("text_too_short", `${name} has ${given.length} characters; 50 are needed`, id);
  text = given;
  post({ type: "text", id, text: answers.textInfo(name, given) });
};

const receive = async (request: Request, parts: Uint8Array[]) => {
  switch (request.type) {
    case "text":
      return receiveText(request.id, request.name, parts[0]!);
    case "plan":
      if (text) post({ type: "plan", id: request.id, plan: answers.plan(request.settings) });
      return;
    case "probe": {
      await wait(20);
      const seconds =
        (kind === "gpu" ? (query.get("gpu") === "software" ? 0.2 : 0.005) : 0.02) * request.settings.layers;
      const tokens_per_second = (request.settings.batch * request.settings.context_length) / seconds;
      return post({ type: "probe", id: request.id, seconds_per_step: seconds, tokens_per_second });
    }
    case "certify":
      return certify(request.id);
    case "start":
      return begin(0, request.settings.steps, request.settings);
    case "continue": {
      const from = kept ?? answers.run(settings!, step, steps);
      kept = null;
      return begin(from.step, request.steps, from.settings);
    }
    case "import": {
      const folders = request.names
        .map((n) => /^step-(\d+)\/model\.safetensors$/.exec(n)?.[1])
        .filter(Boolean);
      if (folders.length === 0)
        return trouble("bad_checkpoint", `no weights among ${request.names.join(", ")}`, request.id);
      kept = answers.run(answers.SETTINGS, Number(folders.sort().pop()), 200);
      return post({ type: "run", id: request.id, run: kept });
    }
    case "export": {
      const { names, files } = answers.folder(kept?.step ?? step);
      return post(
        { type: "files", id: request.id, names, command: "hearth train --resume hearth-run-10" },
        files,
      );
    }
    case "forget":
      kept = null;
      store.postMessage(null);
      return post({ type: "run", id: request.id, run: null });
    case "pause":
      return set("pausing");
    case "resume":
      left = Infinity;
      set("training");
      return void train();
    case "step":
      left = request.count;
      set("training");
      return void train();
    case "stop": {
      const waits = running;
      set("stopping");
      if (!waits) void train();
      return;
    }
    case "save":
      return save();
    case "generate":
      return generate(request);
    case "cancel":
      canceled = request.id;
      return;
    case "look":
      return post({ type: "looked", id: request.id, look: answers.look(request.prompt) });
  }
};

channel.onmessage = ({ data }) => {
  if (isProbe) return;
  if (data.crash)
    return setTimeout(() => {
      throw new Error("unreachable executed");
    });
  const { kind, words } = data.trouble;
  if (!data.goesOn) state = "failed";
  if (!data.goesOn) post({ type: "state", state, step, steps });
  trouble(kind, words);
};

if (kind === "gpu" && query.get("gpu") === "missing") {
  setTimeout(() => trouble("internal", "404: the module is not there"), 20);
} else {
  self.onmessage = ({ data }) => void receive(data.request, data.parts);
  const stored = storage === "ready" ? query.get("kept") : "";
  if (stored) {
    const { settings: s, step: n, steps: all } = JSON.parse(stored);
    kept = answers.run(s, n, all);
  }
  setTimeout(() => {
    post({
      type: "ready",
      device: answers.device(kind, query.get("gpu") === "software"),
      storage,
      run: kept,
    });
  }, 20);
}
