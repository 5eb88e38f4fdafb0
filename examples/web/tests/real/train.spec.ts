import {
  button,
  expect,
  finish,
  hash,
  losses,
  open,
  ready,
  said,
  state,
  stepNow,
  stored,
  test,
  train,
} from "./helpers.ts";

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

test("sixty steps on the embedded text teach it", async ({ page }) => {
  await open(page, hash({ l: 2, w: 64, c: 64, r: 0.003, u: 10, s: 1 }));
  await train(page);
  const curve = [...(await losses(page)).values()];
  expect(curve).toHaveLength(60);
  // Chance is ln 61 = 4.11. 2.55 and 2.594 were seen.
  expect(curve[0]).toBeGreaterThan(4);
  expect(mean(curve.slice(-10))).toBeLessThan(2.62);
  expect(mean(curve.slice(-10))).toBeLessThan(mean(curve.slice(20, 30)));
  const validation = (await said(page, "evaluation")).map(({ step, loss }) => [step, loss]);
  expect(validation.map(([step]) => step)).toEqual([0, 20, 40, 60]);
  for (let i = 1; i < validation.length; i++) expect(validation[i]![1]).toBeLessThan(validation[i - 1]![1]!);
  expect(validation.at(-1)![1]).toBeLessThan(2.62);
  await expect(page.locator(".progress")).toContainText("Step 60 of 60");
  await expect(page.locator("pre.sample")).not.toBeEmpty();
  await expect(page.getByText(/^Saved at step 60 .*\)\.$/)).toBeVisible();
});

test("pauses, steps and resumes, and writes and looks meanwhile, to the same losses", async ({ page }) => {
  const settings = hash({ n: 400, e: 100, a: 100, k: 100 });
  await open(page, settings);
  await train(page);
  const whole = await losses(page);
  await page.evaluate(() => (window.said = []));

  await button(page, "Start anew").click();
  await expect(state(page)).toHaveText("Training");
  await button(page, "Pause").click();
  await expect(state(page)).toHaveText("Paused");
  const at = await stepNow(page);
  await page.waitForTimeout(300);
  expect(await stepNow(page)).toBe(at);
  for (let i = 1; i <= 3; i++) {
    await button(page, "One step").click();
    await expect.poll(() => stepNow(page)).toBe(at + i);
    await expect(state(page)).toHaveText("Paused");
  }
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
  await expect(state(page)).toHaveText("Paused");
  expect(await stepNow(page)).toBe(at + 3);

  await button(page, "Resume").click();
  await expect(state(page)).toHaveText("Training");
  await page.getByRole("slider", { name: "Tokens" }).fill("300");
  await button(page, "Go on writing").click();
  await page.getByText("300 tokens.").waitFor();
  await button(page, "Look at this text").click();
  await expect(page.getByRole("img", { name: /layer 1, head 1/ })).toBeVisible();
  await finish(page);
  expect(await losses(page)).toEqual(whole);
  expect((await said(page, "trouble")).map(({ trouble }) => trouble.words)).toEqual([]);
});

test("stops writing at a click, while it trains", async ({ page }) => {
  await open(page, hash({ l: 6, w: 256, c: 64, n: 100000, e: 0, a: 0, k: 0 }));
  await button(page, "Start").click();
  await expect(state(page)).toHaveText("Training");
  await page.getByRole("slider", { name: "Tokens" }).fill("500");
  await button(page, "Go on writing").click();
  await expect(page.getByRole("region", { name: "What it wrote" })).not.toBeEmpty();
  await button(page, "Stop writing").click();
  await expect(page.getByText(/tokens?, stopped\./)).toBeVisible();
  await expect(state(page)).toHaveText("Training");
  await button(page, "Stop").click();
  await finish(page);
});

test("saved, reloaded and continued, it is the run that was never interrupted, to the bit", async ({
  page,
}) => {
  const settings = hash({ n: 900, e: 150, a: 150, k: 0 });
  await open(page, settings);
  await train(page);
  const whole = await losses(page);
  const files = await stored(page, "step-00000900/");
  expect(whole.size).toBe(900);
  const evaluations = await said(page, "evaluation");
  const samples = await said(page, "sample");

  await page.evaluate(() => (window.said = []));
  await button(page, "Start anew").click();
  await expect.poll(() => stepNow(page)).toBeGreaterThan(60);
  const saves = (await said(page, "saved")).length;
  await button(page, "Save now").click();
  await expect.poll(async () => (await said(page, "saved")).length).toBeGreaterThan(saves);
  const stands = (await said(page, "saved")).at(-1)!.step;
  const before = await losses(page);
  await page.reload();
  await ready(page);
  await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeVisible();
  const kept = (await said(page, "ready"))[0]!.run!.step;
  expect(kept).toBeGreaterThanOrEqual(stands);
  expect(kept).toBeLessThan(900);
  await button(page, "Continue to step 900").click();
  await finish(page);
  for (const [step, loss] of before) expect([step, loss]).toEqual([step, whole.get(step)]);
  expect(await losses(page)).toEqual(whole);
  expect((await said(page, "evaluation")).at(-1)).toEqual(evaluations.at(-1));
  expect((await said(page, "sample")).at(-1)).toEqual(samples.at(-1));
  expect(await stored(page, "step-00000900/")).toEqual(files);

  await page.reload();
  await ready(page);
  await button(page, "Forget it").click();
  await page.getByRole("dialog").getByRole("button", { name: "Forget it" }).click();
  await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeHidden();
  await expect.poll(() => stored(page)).toEqual({});
});
