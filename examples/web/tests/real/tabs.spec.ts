import { Chromium } from "./browser.ts";
import {
  button,
  expect,
  finish,
  hash,
  listen,
  losses,
  open,
  ready,
  said,
  state,
  stepNow,
  test,
} from "./helpers.ts";

test("a second tab is told, trains all the same, and the first one loses nothing", async ({
  page,
  context,
}) => {
  await open(page, hash({ n: 100000, e: 0, a: 0, k: 200 }));
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();

  const second = await context.newPage();
  await second.goto(`./${hash({ n: 100, s: 77 })}`);
  const alert = second.getByRole("alert");
  await expect(alert).toContainText("Another tab has the run");
  await expect(second.getByText("Another tab keeps its run")).toBeVisible();
  await expect(second.getByRole("heading", { name: "A run is waiting" })).toBeHidden();
  await alert.getByRole("button", { name: "Dismiss" }).click();
  await button(second, "Start").click();
  await finish(second);
  await expect(second.getByText(/^Saved at step 100 .*in this tab's memory only/)).toBeVisible();
  const downloading = second.waitForEvent("download");
  await button(second, "Run as zip").click();
  await downloading;

  await expect(state(page)).toHaveText("Training");
  await button(page, "Stop").click();
  await finish(page);
  const step = await stepNow(page);
  const first = await losses(page);
  await page.close();
  // The tab that was second can have the run now, and it is the first one's.
  await second.reload();
  await ready(second);
  await expect(second.locator(".kept")).toContainText(`${step.toLocaleString("en")} steps`);
  const { run } = (await said(second, "ready"))[0]!;
  for (const { step, loss } of run!.figures) expect([step, loss]).toEqual([step, first.get(step)]);
});

test("a hidden tab saves and trains on", async ({ baseURL }) => {
  const chromium = new Chromium();
  try {
    const page = await chromium.open();
    await page.addInitScript(listen);
    await page.goto(`${baseURL}${hash({ n: 100000, e: 0, a: 0, k: 0 })}`);
    await ready(page);
    await button(page, "Start").click();
    await expect.poll(() => stepNow(page)).toBeGreaterThan(50);
    await expect(page.getByText(/^Saved at step/)).toBeHidden();
    const before = (await said(page, "saved")).length;

    const front = await chromium.page();
    await front.bringToFront();
    await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe("hidden");
    await expect.poll(async () => (await said(page, "saved")).length).toBe(before + 1);
    const last = async () => (await said(page, "steps")).at(-1)!.steps.at(-1)!;
    const from = await last();
    await page.waitForTimeout(4000);
    const to = await last();
    expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
    // Timers of a hidden page tick once a second; a step takes some milliseconds.
    expect((to.step - from.step) / (to.seconds - from.seconds)).toBeGreaterThan(20);
    expect(to.step - from.step).toBeGreaterThan(80);
    await page.bringToFront();
    await expect(state(page)).toHaveText("Training");
    await expect.poll(() => stepNow(page)).toBeGreaterThan(to.step);
  } finally {
    await chromium.close();
  }
});
