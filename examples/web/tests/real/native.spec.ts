// Runs that move between the page and the program, HEARTH_BIN; HEARTH_REQUIRE_BIN makes its absence a failure.
import type { Page } from "@playwright/test";
import { unzipSync } from "fflate";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { button, expect, finish, hash, losses, open, said, state, stepNow, test, train } from "./helpers.ts";

const BIN = process.env.HEARTH_BIN ? resolve(process.env.HEARTH_BIN) : "";
const IS_THERE = BIN !== "" && existsSync(BIN);
const CLOSE = 1e-5;

test.describe.configure({ timeout: 180_000 });
test.beforeEach(() => {
  const words = BIN ? `${BIN} is not there` : "HEARTH_BIN names no program";
  if (!IS_THERE && process.env.HEARTH_REQUIRE_BIN) throw new Error(words);
  if (!IS_THERE) console.warn(`skipped: ${words}`);
  test.skip(!IS_THERE, words);
});

/** Runs the program in a folder, where it must succeed. */
const hearth = (folder: string, words: string[]) => {
  const { status, stdout, stderr } = spawnSync(BIN, words, { cwd: folder, encoding: "utf8" });
  expect(status, `hearth ${words.join(" ")}\n${stdout}${stderr}`).toBe(0);
};

/** Training losses by step as the program wrote them down; the last word counts. */
const native = (folder: string) =>
  new Map(
    readFileSync(join(folder, "metrics.jsonl"), "utf8")
      .split("\n")
      .filter((line) => line.includes('"train_loss"'))
      .map((line) => JSON.parse(line) as { step: number; train_loss: number })
      .map(({ step, train_loss }) => [step, train_loss] as const),
  );

/** Compares losses at each step of `some` with those of the whole run, and says the largest difference. */
const compare = (some: Map<number, number>, whole: Map<number, number>, what: string) => {
  const differences = [...some].map(([step, loss]) => Math.abs(loss - whole.get(step)!));
  const most = Math.max(...differences);
  test.info().annotations.push({
    type: "native",
    description: `${what}: ${some.size} losses, ${most.toExponential(1)} apart at most`,
  });
  expect(most).toBeLessThan(CLOSE);
};

/** Unpacks the run that the page gives, and says what the page prints to go on with it. */
const takeHome = async (page: Page, to: string) => {
  const downloading = page.waitForEvent("download");
  await button(page, "Run as zip").click();
  const files = unzipSync(new Uint8Array(readFileSync(await (await downloading).path())));
  const [root] = Object.keys(files)[0]!.split("/");
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(to, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  const command = await page.locator(".command code").innerText();
  return { folder: join(to, root!), command };
};

const checkpoints = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.startsWith("step-"))
    .sort();

test("a run of the page goes on natively, by the command that it prints", async ({ page }, info) => {
  await open(page, hash({ n: 400, e: 100, a: 100, k: 0 }));
  await button(page, "Start").click();
  await expect.poll(() => stepNow(page)).toBeGreaterThan(60);
  await button(page, "Save now").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();
  // The zip has the checkpoint of the pause as well, and what the program does to it is nothing to the page.
  await button(page, "Pause").click();
  await expect(state(page)).toHaveText("Paused");
  const { folder, command } = await takeHome(page, info.outputPath("home"));
  const at = Number(checkpoints(folder).at(-1)!.slice("step-".length));
  expect(at).toBeGreaterThan(60);
  expect(at).toBeLessThan(400);
  await button(page, "Resume").click();
  await finish(page);

  const [program, ...words] = command.split(" ");
  expect(program).toBe("hearth");
  hearth(folder, [...words, "--device", "cpu"]);
  expect(checkpoints(folder).at(-1)).toBe("step-00000400");
  const whole = await losses(page);
  const after = native(folder);
  expect([...after.keys()]).toEqual(Array.from({ length: 400 }, (_, i) => i));
  compare(new Map([...after].filter(([step]) => step >= at)), whole, `natively from step ${at} to 400`);
});

test("a native run begins as the page's does, and goes on in the page", async ({ page }, info) => {
  await open(page, hash({ n: 100, e: 20, a: 20, k: 40 }));
  await train(page);
  const onPage = await losses(page);
  const { folder: home } = await takeHome(page, info.outputPath("home"));
  hearth(home, ["train", "config.toml", "--out", "native", "--device", "cpu"]);
  const folder = join(home, "native");
  const whole = native(folder);
  expect(whole.size).toBe(100);
  compare(new Map([...whole].filter(([step]) => step < 10)), onPage, "the first ten, natively");

  // As if it had been stopped at its checkpoint in the middle.
  const last = checkpoints(folder).at(-1)!;
  expect(last).toBe("step-00000100");
  rmSync(join(folder, last), { recursive: true });
  expect(checkpoints(folder).at(-1)).toBe("step-00000080");
  await page.reload();
  await page.locator("input[webkitdirectory]").setInputFiles(folder);
  await page.getByRole("dialog").getByRole("button", { name: "Replace it" }).click();
  await expect(page.locator(".kept")).toContainText("80 steps");
  await page.evaluate(() => (window.said = []));
  await button(page, "Continue to step 100").click();
  await finish(page);
  const after = await losses(page);
  expect([...after.keys()]).toEqual(Array.from({ length: 20 }, (_, i) => 80 + i));
  compare(after, whole, "in the page from step 80 to 100");

  // And home again: the figures of both are in one file, each step once.
  const { folder: again } = await takeHome(page, info.outputPath("again"));
  expect([...native(again).keys()]).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect((await said(page, "trouble")).map(({ trouble }) => trouble.words)).toEqual([]);
});

test("a run with a tokenizer.json, which the small module lacks, goes on in the page all the same", async ({
  page,
  context,
  quiet,
}, info) => {
  await open(page, hash({ n: 60, e: 0, a: 20, k: 20 }));
  await train(page);
  const { folder: home } = await takeHome(page, info.outputPath("home"));
  hearth(home, ["prepare", "input.txt", "--vocab-size", "300", "--out", "tokens"]);
  const set = ["data.tokenizer=tokens/tokenizer.json", "model.vocab_size=300"].flatMap((it) => ["--set", it]);
  hearth(home, ["train", "config.toml", "--out", "native", "--device", "cpu", ...set]);
  const folder = join(home, "native");
  const whole = native(folder);
  rmSync(join(folder, "step-00000060"), { recursive: true });
  await context.setOffline(true);
  await page.locator("input[webkitdirectory]").setInputFiles(folder);
  await expect(page.getByRole("alert")).toContainText("This run needs the larger module", {
    timeout: 60_000,
  });
  await page.getByRole("alert").getByRole("button", { name: "Dismiss" }).click();
  await page.evaluate(() => (window.said = []));
  await button(page, "Start anew").click();
  await expect.poll(async () => (await said(page, "state")).at(-1)?.state).toBe("done");
  await context.setOffline(false);
  quiet.length = 0;
  await page.locator("input[webkitdirectory]").setInputFiles(folder);
  await expect(page.locator(".kept")).toContainText("40 steps", { timeout: 60_000 });
  // As it is kept, too, it needs the large module.
  await page.reload();
  await expect(page.locator(".kept")).toContainText("40 steps", { timeout: 60_000 });
  await page.evaluate(() => (window.said = []));
  await button(page, "Continue to step 60").click();
  await finish(page);
  const after = await losses(page);
  expect([...after.keys()]).toEqual(Array.from({ length: 20 }, (_, i) => 40 + i));
  compare(after, whole, "in the page from step 40 to 60");
  await expect(page.getByRole("alert")).toHaveCount(0);
});
