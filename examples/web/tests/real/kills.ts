import type { Page } from "@playwright/test";
import { Chromium } from "./browser.ts";
import { button, expect, finish, listen, losses, open, ready, stored, test, train } from "./helpers.ts";

/** The page is closed, its process crashes, or the whole browser ends at once. */
export type Way = "close" | "crash" | "kill";

/** Numbers in 0..1 that follow from a seed. */
const random = (seed: number) => () => {
  seed = (seed * 1664525 + 1013904223) % 2 ** 32;
  return seed / 2 ** 32;
};

/** The longest time that a run is left alone. */
const MOST_MS = 1200;

/** Ends a run at random moments, goes on, and compares each loss with the run of `page`, which nobody interrupts. */
export const killAndGoOn = async (page: Page, address: string, settings: string, ways: Way[]) => {
  const seed = Number(process.env.HEARTH_SEED ?? Date.now() % 1e6);
  test.info().annotations.push({ type: "seed", description: `HEARTH_SEED=${seed}` });
  const next = random(seed);
  await open(page, settings);
  await train(page);
  const whole = await losses(page);
  const steps = whole.size;
  const folder = `step-${`${steps}`.padStart(8, "0")}/`;
  const tensors = await stored(page, folder);
  expect(Object.keys(tensors)).toHaveLength(2);
  await page.close();

  const heard: [number, number | null][] = [];
  const chromium = new Chromium();
  const visit = async (): Promise<Page> => {
    const page = await chromium.page();
    await page.exposeFunction("heard", (figures: { step: number; loss: number | null }[]) => {
      heard.push(...figures.map(({ step, loss }) => [step, loss] as [number, number | null]));
    });
    await page.addInitScript(listen);
    await page.goto(address + settings);
    await ready(page);
    return page;
  };
  const goOn = async (page: Page) => {
    const kept = page.locator(".kept").getByRole("button", { name: /^Continue/ });
    if (await kept.isVisible()) await kept.click();
    else await button(page, "Start").click();
  };
  try {
    await chromium.open();
    for (const way of ways) {
      const page = await visit();
      await goOn(page);
      await page.waitForTimeout(next() * MOST_MS);
      if (way === "crash") {
        const cdp = await page.context().newCDPSession(page);
        const crashed = page.waitForEvent("crash");
        void cdp.send("Page.crash").catch(() => {});
        await crashed;
      }
      if (way === "kill") {
        await chromium.kill();
        await chromium.open();
      } else {
        await page.close();
      }
    }
    const last = await visit();
    await goOn(last);
    await finish(last);
    for (const [step, loss] of heard) expect([step, loss]).toEqual([step, whole.get(step)]);
    expect([...(await losses(last))].sort(([a], [b]) => a - b)).toEqual([...whole]);
    expect(await stored(last, folder)).toEqual(tensors);
  } finally {
    await chromium.close();
  }
};
