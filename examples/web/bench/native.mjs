// The program `hearth`, on the configuration that the page makes of the same settings (worker/src/settings.rs).
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const HEARTH =
  process.env.HEARTH_BIN ?? new URL("../../../target/release/hearth", import.meta.url).pathname;
let program;

/** Takes a copy of the program, which a build may replace in the meantime; false where there is none. */
export const hasNative = async (folder) => {
  // A build takes it away for a moment.
  for (let tries = 0; tries < 20 && !existsSync(HEARTH); tries++)
    await new Promise((resolve) => setTimeout(resolve, 500));
  if (!existsSync(HEARTH)) return false;
  program = join(folder, "hearth");
  copyFileSync(HEARTH, program);
  return true;
};
/** What it says of itself. */
export const version = () => execFileSync(program, ["--version"], { encoding: "utf8" }).trim();

/** Chromium's own software driver. */
const ICD = "/usr/lib/chromium/vk_swiftshader_icd.json";
const LIBRARY = "/usr/lib/chromium/libvk_swiftshader.so";

const toml = (s) => `seed = ${s.seed}
[data]
text = "input.txt"
tokenizer = "char"
stride = 1
[model]
layers = ${s.layers}
width = ${s.width}
heads = ${s.heads}
context_length = ${s.context_length}
tied = true
init_std = 0.05
dropout = ${s.dropout.toFixed(2)}
[batch]
micro_batch = ${s.batch}
[optimizer]
learning_rate = ${s.learning_rate}
beta2 = 0.99
[schedule]
kind = "cosine"
warmup_steps = ${s.warmup_steps}
[limits]
steps = ${s.steps}
[evaluation]
every = 0
batches = 10
[sample]
every = 0
tokens = 160
[checkpoint]
every = 0
`;

/** A run on one thread of the CPU, or on a device of Chromium's SwiftShader. */
export const native = async (device, settings, text) => {
  const folder = mkdtempSync(join(tmpdir(), "hearth-bench-"));
  try {
    writeFileSync(join(folder, "input.txt"), text);
    writeFileSync(join(folder, "config.toml"), toml(settings));
    const train = [program, "train", "config.toml", "--device", device, "--quiet"];
    const env = { ...process.env, XDG_RUNTIME_DIR: folder };
    if (device === "cpu") {
      train.unshift("taskset", "-c", "1");
      env.RAYON_NUM_THREADS = "1";
    } else {
      let icd = ICD;
      if (!existsSync(icd)) {
        icd = join(folder, "icd.json");
        const driver = { library_path: LIBRARY, api_version: "1.0.5" };
        writeFileSync(icd, JSON.stringify({ file_format_version: "1.0.0", ICD: driver }));
      }
      env.VK_DRIVER_FILES = env.VK_ICD_FILENAMES = icd;
    }
    const time = ["-c", 'TIMEFORMAT="%U %S"; time "$@"', "bash"];
    const timed = async (steps, out) => {
      const more = ["--steps", `${steps}`, "--out", out];
      const { stderr } = await promisify(execFile)("bash", [...time, ...train, ...more], {
        cwd: folder,
        env,
        timeout: 300_000,
      });
      const [user, system] = stderr.trim().split("\n").at(-1).split(" ").map(Number);
      return user + system;
    };
    const all = await timed(settings.steps, "run");
    // What a shorter run takes as well is no step's.
    const few = Math.ceil(settings.steps / 4);
    const steady = { cpu: all - (await timed(few, "few")), steps: settings.steps - few };
    const lines = readFileSync(join(folder, "run/metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const steps = lines.filter((line) => line.train_loss !== undefined);
    return {
      steady,
      seconds: steps.map(({ seconds }) => seconds),
      losses: steps.map(({ train_loss }) => train_loss),
      device: lines.find(({ event }) => event === "start").device,
      parameters: Number(
        /^([\d,]+) parameters/
          .exec(lines.find(({ text }) => / parameters /.test(text)).text)[1]
          .replaceAll(",", ""),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
