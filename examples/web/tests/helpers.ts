import { expect, test as base, type Page } from "@playwright/test";

/** A page with the fake worker; a console error or an uncaught one fails the test that opened it. */
export const test = base.extend<{ quiet: void }>({
  quiet: [
    async ({ page }, use) => {
      const errors: string[] = [];
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(error.message));
      await use();
      expect(errors).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

type Options = { query?: string; hash?: string; gpu?: boolean };

export const open = async (page: Page, { query = "", hash = "", gpu = false }: Options = {}) => {
  const adapter = gpu ? "{}" : "null";
  await page.addInitScript(
    `Object.defineProperty(navigator, "gpu", { configurable: true, value: { requestAdapter: async () => (${adapter}) } })`,
  );
  await page.goto(`./?${query}${hash}`);
  await expect(page.getByText("Ready to train")).toBeVisible();
  if (/hide=\S*device/.test(hash)) await page.waitForTimeout(800);
  else await expect(page.getByText("tokens/s").first()).toBeVisible();
};

export const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
export const state = (page: Page) => page.locator(".state");

/** Settings of a run that is over in a second. */
export const SHORT = "#l=2&w=64&h=4&c=64&b=8&n=60&e=20&a=20&k=20&s=3";

export const trainToEnd = async (page: Page) => {
  await button(page, "Start").click();
  await expect(state(page)).toHaveText("Done");
};

/** What the fake worker of the run is told to do. */
export const tell = (page: Page, message: object) =>
  page.evaluate((data) => new BroadcastChannel("fake").postMessage(data), message);
