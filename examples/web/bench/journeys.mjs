// How long a visitor waits: for a page that can train, and from Start to the first step.
import { chromium } from "playwright-core";

const LOADS = 5;
const hash = (settings) => "#" + new URLSearchParams(settings);
const CPU = hash({ l: 2, w: 64, h: 4, c: 64, b: 8, n: 100, e: 0, a: 0, k: 0 });
const GPU = hash({ l: 1, w: 32, h: 2, c: 16, b: 4, n: 10, e: 0, a: 0, k: 0 });

/** Runs in the page before its own code: notes when Start can be clicked, when it is, and what the workers say. */
const watch = () => {
  const times = (window.times = { ready: {} });
  const isStart = (button) => /^Start( anew)?$/.test(button.textContent.trim());
  const look = () => {
    if (
      [...document.querySelectorAll("button")].some(
        (button) => isStart(button) && button.ariaDisabled !== "true",
      )
    ) {
      times.interactive ??= performance.now();
    }
  };
  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true,
  });
  addEventListener("click", ({ target }) => isStart(target) && (times.clicked = performance.now()), true);
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(url, options) {
      super(url, options);
      if (options?.name?.endsWith("-probe")) return;
      this.addEventListener("message", ({ data: { reply } }) => {
        if (reply.type === "ready") times.ready[reply.device.module] = reply.device;
        if (reply.type === "steps" && times.clicked) times.first ??= performance.now();
      });
    }
  };
};

const times = (page) => page.evaluate(() => window.times);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const list = (values) => values.map((value) => (value / 1000).toFixed(2)).join(", ");

export const journeys = async ({ origin, CHROMIUM, ARGS, GPU_ARGS, certify, say }) => {
  const rows = [];
  const row = (what, device, values, goal) => {
    const middle = median(values) / 1000;
    const several = values.length > 1 ? ` (${list(values)})` : "";
    rows.push([
      what,
      device,
      `${middle.toFixed(2)}${several}`,
      `<= ${goal}: ${middle <= goal ? "yes" : "no"}`,
    ]);
  };

  const interactive = [];
  const first = [];
  let device;
  for (let i = 0; i < LOADS; i++) {
    // A browser anew: nothing of the page is compiled or kept.
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    const page = await browser.newPage();
    await page.addInitScript(watch);
    await page.goto(`${origin}/page/${CPU}`);
    await page.waitForFunction(() => window.times.interactive, undefined, { timeout: 60_000 });
    // The page has timed a step by then, so that nothing else computes.
    await page.locator(".choice").getByText("tokens/s").first().waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForFunction(() => window.times.first, undefined, { timeout: 60_000 });
    const seen = await times(page);
    interactive.push(seen.interactive);
    first.push(seen.first - seen.clicked);
    device = seen.ready.cpu.name;
    say(
      `load ${(seen.interactive / 1000).toFixed(2)} s, start to first step ${((seen.first - seen.clicked) / 1000).toFixed(2)} s`,
    );
    await browser.close();
  }
  row("Load to interactive, median of 5", device, interactive, 1.5);
  row("Start to first step, L2 H4 C64 T64 B8, median of 5", device, first, 1);

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...GPU_ARGS] });
  try {
    for (const known of certify ? [true, false] : [true]) {
      const page = await (await browser.newContext()).newPage();
      await page.addInitScript(watch);
      await page.goto(`${origin}/page/${GPU}`);
      const radio = page.getByRole("radio", { name: /^GPU/ });
      await page.waitForFunction(() => window.times.interactive, undefined, { timeout: 60_000 });
      await page.locator(".choice").getByText("tokens/s").nth(1).waitFor({ timeout: 120_000 });
      await radio.check();
      await page.waitForFunction(() => window.times.ready.gpu, undefined, { timeout: 60_000 });
      const gpu = (await times(page)).ready.gpu;
      if (known) {
        await page.evaluate(
          ([version, name]) =>
            localStorage.setItem(
              `hearth-certificate ${version} ${name}`,
              JSON.stringify({ passed: true, rows: [] }),
            ),
          [gpu.version, gpu.name],
        );
      }
      await page.getByText("Ready to train").waitFor();
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.waitForFunction(() => window.times.first, undefined, { timeout: 600_000 });
      const seen = await times(page);
      say(`GPU: start to first step ${((seen.first - seen.clicked) / 1000).toFixed(2)} s`);
      const what = known ? "its numbers known to be right" : "with the check of its numbers";
      row(`Start to first step, L1 H2 C32 T16 B4, ${what}, once`, gpu.name, [seen.first - seen.clicked], 15);
    }
  } catch (error) {
    rows.push(["Start to first step on the GPU", "", `failed: ${error.message.split("\n")[0]}`, "<= 15"]);
  } finally {
    await browser.close();
  }
  return rows;
};
