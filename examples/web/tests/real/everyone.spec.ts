import { check } from "../axe.ts";
import { button, expect, finish, hash, open, state, test, train } from "./helpers.ts";

const unfold = (page: import("@playwright/test").Page) =>
  page.locator("summary").evaluateAll((all) => all.forEach((summary) => (summary as HTMLElement).click()));

test.describe("no violation", () => {
  test("idle", async ({ page }) => {
    await open(page, "");
    await unfold(page);
    await check(page);
  });
  test("training, then paused", async ({ page }) => {
    await open(page, hash({ n: 100000, e: 100, a: 100, k: 100 }));
    await button(page, "Start").click();
    await page.getByText(/^Saved at step/).waitFor();
    await check(page);
    await expect(state(page)).toHaveText("Training");
    await button(page, "Pause").click();
    await expect(state(page)).toHaveText("Paused");
    await unfold(page);
    await check(page);
  });
  test("done, with all views and tables", async ({ page }) => {
    await open(page, hash({ n: 100 }));
    await train(page);
    await button(page, "Start anew").click();
    await finish(page);
    await button(page, "Go on writing").click();
    await page.getByText("200 tokens.").waitFor();
    await button(page, "Look at this text").click();
    await page.getByText("Where does it look?").waitFor();
    const downloading = page.waitForEvent("download");
    await button(page, "Run as zip").click();
    await downloading;
    await unfold(page);
    await check(page);
  });
});

test("a journey by keyboard alone", async ({ page }) => {
  const focused = () => page.locator(":focus");
  /** Tabs on until the control of this name has the focus. */
  const reach = async (name: string | RegExp) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const role = await focused().evaluateAll(([e]) => e && (e.textContent || e.getAttribute("aria-label")));
      const label = await focused().evaluateAll(([e]) => (e as HTMLInputElement)?.labels?.[0]?.textContent);
      if (
        [role, label].some((words) => words && (typeof name === "string" ? words === name : name.test(words)))
      )
        return;
    }
    throw new Error(`no ${name} is reached by the keyboard`);
  };
  await open(page, hash({ n: 100000, e: 200, a: 200, k: 200 }));
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to the training")).toBeFocused();
  await page.keyboard.press("Enter");
  await reach("Start");
  await page.keyboard.press("Enter");
  await expect(state(page)).toHaveText("Training");
  await expect(button(page, "Pause")).toBeFocused();
  await page.getByText(/^Saved at step/).waitFor();
  await page.keyboard.press("Enter");
  await expect(state(page)).toHaveText("Paused");
  await expect(button(page, "Resume")).toBeFocused();
  await reach("One step");
  await page.keyboard.press("Space");
  await expect(state(page)).toHaveText("Paused");
  await reach("Stop");
  await page.keyboard.press("Enter");
  await finish(page);
  await reach("Step of the sample");
  await page.keyboard.press("Home");
  await expect(page.getByRole("slider", { name: "Step of the sample" })).toHaveAttribute(
    "aria-valuetext",
    "At step 0",
  );
  await reach("Beginning of a text");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("JULIET:");
  await reach("Go on writing");
  await page.keyboard.press("Enter");
  await expect(page.getByText("200 tokens.")).toBeVisible();
  await expect(button(page, "Go on writing")).toBeFocused();
  await reach("Look at this text");
  await page.keyboard.press("Space");
  await expect(page.getByRole("heading", { name: "Where does it look?" })).toBeVisible();
  const downloading = page.waitForEvent("download");
  await reach("Run as zip");
  await page.keyboard.press("Enter");
  expect((await downloading).suggestedFilename()).toMatch(/^hearth-run-\d+\.zip$/);
});
