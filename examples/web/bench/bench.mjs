// Times Hearth's modules beside the native program and TensorFlow.js, in turns, and prints one Markdown table.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { sample } from "./cpu.mjs";
import * as program from "./native.mjs";
import { journeys } from "./journeys.mjs";
import { OUT, prepare, serve } from "./serve.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    parts: { type: "string", default: "small,gpu,page" },
    certify: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds);
const parts = options.parts.split(",");

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** More of Chromium's flags, to find out what something costs: `--enable-dawn-features=disable_workgroup_init`. */
const FLAGS = process.env.CHROMIUM_FLAGS?.split(" ") ?? [];
const ARGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const GPU_ARGS = ["--enable-unsafe-webgpu", "--enable-unsafe-swiftshader", ...FLAGS];
const FIRST = 10;
/** Milliseconds after which a contender of TensorFlow.js begins no other step. */
const LIMIT = 10_000;

const settings = (layers, heads, width, context_length, batch, steps) => ({
  layers,
  width,
  heads,
  context_length,
  dropout: 0,
  tokenizer: "char",
  batch,
  steps,
  learning_rate: 1e-3,
  warmup_steps: 10,
  seed: 1,
  evaluate_every: 0,
  sample_every: 0,
  save_every: 0,
  prompt: "",
});
const SHAPES = {
  small: settings(2, 4, 64, 64, 8, 400),
  large: settings(4, 4, 128, 64, 12, 80),
  gpu: settings(1, 2, 32, 16, 4, 40),
};
const shapeName = (s) => `L${s.layers} H${s.heads} C${s.width} T${s.context_length} B${s.batch}`;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const say = (words) => process.stderr.write(`${words}\n`);

const { text, worker, modules } = await prepare();
const hasNative = await program.hasNative(OUT);
const { origin, close } = await serve();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...GPU_ARGS] });
const version = browser.version();
const system = await browser.newBrowserCDPSession();
const processes = async (type) => {
  const { processInfo } = await system.send("SystemInfo.getProcessInfo");
  return processInfo.filter((one) => !type || one.type === type).map(({ id }) => id);
};

/** Calls what a module exports, in a tab of its own. */
const inTab = async (onGpu, file, name, ...given) => {
  const page = await browser.newPage();
  const errors = [];
  let late;
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  try {
    await page.goto(`${origin}/bare/?worker=${encodeURIComponent(worker)}`);
    const call = async ([file, name, given]) => (await import(`/bench/${file}.js`))[name](...given);
    const busy = sample(await processes(onGpu ? undefined : "renderer"));
    const ran = await Promise.race([
      page.evaluate(call, [file, name, given]),
      new Promise((_, reject) => {
        late = setTimeout(reject, 240_000, new Error("no end in 240 s"));
      }),
    ]);
    const last = ran.marks.at(-1);
    const first = ran.marks.find(({ step }) => step >= last.step / 4);
    return { ...ran, steady: { cpu: busy(first.at, last.at, onGpu), steps: last.step - first.step } };
  } catch (error) {
    throw new Error([error.message.split("\n")[0], ...errors.slice(0, 2)].join(" | ").slice(0, 400));
  } finally {
    clearTimeout(late);
    await page.close();
  }
};

// A contender on the CPU computes with one thread; on a GPU that is software, with threads of several processes.
const isGpu = (device) => /gpu|webgl/.test(device);
const CONTENDERS = {
  module: (module) => ({
    name: `Hearth, ${module} module`,
    run: (s) => inTab(isGpu(module), "hearth", "hearth", module, s, text),
  }),
  native: (device) => ({ name: `Hearth, native, ${device}`, run: (s) => program.native(device, s, text) }),
  tfjs: (backend) => ({
    name: `tfjs GPT, ${backend}`,
    peer: true,
    run: (s) => inTab(isGpu(backend), "tf", "tfjs", backend, s, text, LIMIT),
  }),
  nano: (backend) => ({
    name: `genai-nanogpt, ${backend}`,
    peer: true,
    run: (s) => inTab(isGpu(backend), "nanogpt", "nanogpt", backend, s, text, LIMIT),
  }),
};

/** Tokens a second after the first steps; of a slow contender, which takes few, after the first half. */
const rate = ({ seconds, at, from: skip = FIRST }, { batch, context_length }) => {
  const points = at ?? seconds.map((seconds, step) => ({ step, seconds }));
  if (points.length < 3) throw new Error(`only ${points.length} steps`);
  const half = points[Math.floor((points.length - 1) / 2)].step;
  const last = points.at(-1);
  const from = points.find(({ step }) => step >= Math.min(skip, half));
  return ((last.step - from.step) / (last.seconds - from.seconds)) * batch * context_length;
};

/** Runs contenders in turns. One that is far behind another of its kind is left out after a round. */
const race = async (shape, contenders) => {
  for (let round = 0; round < rounds; round++) {
    const best = Math.max(
      ...contenders.filter(({ peer, rates }) => peer && rates).flatMap(({ rates }) => rates),
    );
    for (const contender of contenders) {
      contender.rates ??= [];
      if (contender.failed || (contender.peer && round > 0 && contender.rates[0] < best / 2)) continue;
      try {
        const ran = await contender.run(shape);
        contender.rates.push(rate(ran, shape));
        const { cpu, steps: counted } = ran.steady;
        (contender.cpuRates ??= []).push((counted * shape.batch * shape.context_length) / cpu);
        Object.assign(contender, { device: ran.device ?? contender.device, parameters: ran.parameters });
        Object.assign(contender, { losses: ran.losses, steps: ran.at?.at(-1).step ?? ran.losses.length });
      } catch (error) {
        contender.failed = error.message;
      }
      say(
        `${shapeName(shape)}, round ${round + 1}, ${contender.name}: ${contender.failed ?? `${Math.round(contender.rates.at(-1))} tokens/s, ${Math.round(contender.cpuRates.at(-1))} of a core`}`,
      );
    }
  }
};

const rows = [];
const number = (value) => Math.round(value).toLocaleString("en-US");
const addRace = (shape, contenders, goals) => {
  const best = ({ rates }) => Math.max(...rates);
  const [ours] = contenders;
  const peers = contenders.filter(({ peer, rates, failed }) => peer && rates.length && !failed);
  const bestPeer = peers.toSorted((a, b) => best(b) - best(a))[0];
  for (const contender of contenders) {
    const { name, rates, device = "", parameters, losses, steps, failed } = contender;
    if (failed || !rates.length) {
      rows.push([shapeName(shape), name, device, "", `failed: ${failed}`, "", "", "", "", "", ""]);
      continue;
    }
    const ratio = contender === ours ? "" : (best(ours) / best(contender)).toFixed(2);
    const middle = contender === ours ? "" : (median(ours.rates) / median(rates)).toFixed(2);
    const goal =
      contender === bestPeer
        ? goals.peer
        : contender.peer
          ? undefined
          : contender === ours
            ? undefined
            : goals.native;
    const onCore =
      contender !== ours && contender.cpuRates
        ? median(ours.cpuRates) / median(contender.cpuRates)
        : undefined;
    // Of the two, the one that others' use of the machine disturbs less.
    const judged = onCore ?? best(ours) / best(contender);
    const verdict = goal ? `>= ${goal}: ${judged >= goal ? "yes" : "no"}` : "";
    rows.push([
      shapeName(shape),
      name,
      device,
      number(parameters),
      `${number(best(contender))} (${number(median(rates))}, ${rates.length})`,
      `${losses[0].toFixed(2)} to ${losses.at(-1).toFixed(2)} (${steps})`,
      ratio,
      middle,
      contender.cpuRates ? number(median(contender.cpuRates)) : "",
      onCore?.toFixed(2) ?? "",
      verdict,
    ]);
  }
};

const loadBefore = loadavg()[0];
try {
  for (const part of ["small", "large"]) {
    if (!parts.includes(part)) continue;
    const contenders = [
      CONTENDERS.module("cpu"),
      ...(hasNative ? [CONTENDERS.native("cpu")] : []),
      ...["wasm", "cpu", "webgl", "webgpu"].map(CONTENDERS.tfjs),
      ...["cpu", "webgl", "webgpu"].map(CONTENDERS.nano),
    ];
    await race(SHAPES[part], contenders);
    addRace(SHAPES[part], contenders, { native: 0.5, peer: 2 });
  }
  if (parts.includes("gpu")) {
    const contenders = [
      CONTENDERS.module("gpu"),
      ...(hasNative ? [CONTENDERS.native("wgpu")] : []),
      CONTENDERS.tfjs("webgpu"),
      CONTENDERS.nano("webgpu"),
    ];
    await race(SHAPES.gpu, contenders);
    addRace(SHAPES.gpu, contenders, { native: 0.8 });
  }
} finally {
  await browser.close();
}

const times = parts.includes("page")
  ? await journeys({ origin, CHROMIUM, ARGS, GPU_ARGS, certify: options.certify, say })
  : [];
close();

const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const sizes = modules.map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`).join(" and ");
const hearth = hasNative ? program.version() : "no native program";
console.log(`Chromium ${[version, ...FLAGS].join(" ")}; ${cpus()[0].model}, ${cpus().length} cores, load ${loadBefore.toFixed(1)} before and \
${loadavg()[0].toFixed(1)} after; modules of ${sizes}; ${hearth} (${program.HEARTH}). Rates are the best round, in brackets the median \
and the number of rounds; ratios are ours over theirs.\n`);
if (rows.length) {
  const head = [
    "Shape",
    "What",
    "Device",
    "Parameters",
    "Tokens/s",
    "Loss (steps)",
    "Ratio of bests",
    "Of medians",
    "Tokens/s of a core",
    "Ratio",
    "Goal",
  ];
  console.log(table(head, rows));
}
if (times.length) console.log(`\n${table(["What", "Device", "Seconds", "Goal"], times)}`);
