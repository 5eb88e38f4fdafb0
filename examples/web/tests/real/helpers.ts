import { expect, test as base, type Page } from "@playwright/test";
import type { Reply, StepFigures } from "../../src/messages.ts";

declare global {
  interface Window {
    /** What the run's worker said, of this visit. */
    said: Reply[];
    /** Where a test wants figures at once, because the page may not live. */
    heard?(figures: StepFigures[]): void;
  }
}

/** Notes what every worker but those that time a step says, before the page hears it. */
export const listen = () => {
  window.said = [];
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (options?.name?.endsWith("-probe")) return;
      this.addEventListener("message", ({ data: { reply } }) => {
        window.said.push(reply);
        if (reply.type === "steps") window.heard?.(reply.steps);
      });
    }
  };
};

/** A page with the real worker; a console error or an uncaught one fails the test that opened it. */
export const test = base.extend<{ quiet: string[] }>({
  quiet: [
    async ({ context }, use) => {
      const errors: string[] = [];
      context.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      context.on("weberror", (error) => errors.push(error.error().message));
      await context.addInitScript(listen);
      await use(errors);
      expect(errors).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

export const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
export const state = (page: Page) => page.locator(".state");

/** A model that takes a few milliseconds for a step. */
export const SMALL = { l: 1, w: 32, h: 4, c: 32, b: 8, n: 60, r: 0.005, u: 5, s: 3, e: 20, a: 20, k: 20 };
export const hash = (settings: Partial<typeof SMALL> & Record<string, string | number> = {}) =>
  "#" + new URLSearchParams(Object.entries({ ...SMALL, ...settings }).map(([k, v]) => [k, `${v}`]));

/** Opens the page and waits until it can train and has timed a step. */
export const open = async (page: Page, at: string = hash()) => {
  await page.goto(`./${at}`);
  await ready(page);
};
export const ready = async (page: Page) => {
  await expect(page.getByText("Ready to train")).toBeVisible({ timeout: 20_000 });
  await expect(page.locator(".text-name")).toHaveText("Shakespeare");
  await expect(page.getByText("tokens/s").first()).toBeVisible({ timeout: 20_000 });
};

export const finish = (page: Page) => expect(state(page)).toHaveText("Done", { timeout: 45_000 });
export const train = async (page: Page) => {
  await button(page, "Start").click();
  await finish(page);
};

type Of<T extends Reply["type"]> = Extract<Reply, { type: T }>;
export const said = <T extends Reply["type"]>(page: Page, type: T): Promise<Of<T>[]> =>
  page.evaluate((type) => window.said.filter((reply) => reply.type === type), type) as Promise<Of<T>[]>;

/** Losses by step, of every step that the worker has told of in this visit; the last word counts. */
export const losses = async (page: Page): Promise<Map<number, number>> => {
  const runs = (await said(page, "ready")).flatMap(({ run }) => run?.figures ?? []);
  const steps = (await said(page, "steps")).flatMap(({ steps }) => steps);
  return new Map([...runs, ...steps].map(({ step, loss }) => [step, loss ?? NaN]));
};

export const stepNow = async (page: Page) =>
  Number((await page.locator(".progress span").innerText()).match(/Step ([\d,]+)/)![1]!.replaceAll(",", ""));

/** The run's worker, from within. */
export const inWorker = (page: Page) => {
  const worker = page.workers().at(-1);
  if (!worker) throw new Error("the page has no worker");
  return worker;
};

/** Digests of the tensors that this browser keeps, by their names in the run's folder. */
export const stored = (page: Page, under = ""): Promise<Record<string, string>> =>
  page.evaluate(async (under) => {
    const found: Record<string, string> = {};
    const walk = async (folder: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
      for await (const [name, handle] of folder.entries()) {
        const path = prefix + name;
        if (handle.kind === "directory") await walk(handle as FileSystemDirectoryHandle, `${path}/`);
        else if (path.startsWith(under) && (!under || path.endsWith(".safetensors"))) {
          const file = await (handle as FileSystemFileHandle).getFile();
          const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
          found[path] = [...new Uint8Array(digest)]
            .map((byte) => byte.toString(16).padStart(2, "0"))
            .join("");
        }
      }
    };
    const origin = await navigator.storage.getDirectory();
    await walk(await origin.getDirectoryHandle("hearth-run", { create: true }), "");
    return found;
  }, under);
