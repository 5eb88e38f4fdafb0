import { check, faults } from "./axe.ts";
import { button, expect, open, SHORT, state, tell, test, trainToEnd } from "./helpers.ts";

test.describe("no violation", () => {
  test("idle, with everything unfolded", async ({ page }) => {
    await open(page);
    await page.locator("summary").evaluateAll((all) => all.forEach((s) => (s as HTMLElement).click()));
    await button(page, "Paste").click();
    await check(page);
  });
  test("training, then paused, with remarks", async ({ page }) => {
    await open(page, { query: "ms=20", hash: SHORT.replace("n=60", "n=5000") });
    await button(page, "Start").click();
    await tell(page, { goesOn: true, trouble: { kind: "not_now", words: "Not while it saves." } });
    await page.getByText(/^Saved at step/).waitFor();
    await check(page);
    await button(page, "Pause").click();
    await expect(state(page)).toHaveText("Paused");
    await check(page);
  });
  test("done, with all views and tables", async ({ page }) => {
    await open(page, { hash: SHORT });
    await trainToEnd(page);
    await button(page, "Start anew").click();
    await expect(state(page)).toHaveText("Done");
    await button(page, "Go on writing").click();
    await page.getByText("200 tokens.").waitFor();
    await button(page, "Look at this text").click();
    await page.getByText("Where does it look?").waitFor();
    await button(page, "Run as zip").click();
    await page.getByText("go on natively").waitFor();
    await page.locator("summary").evaluateAll((all) => all.forEach((s) => (s as HTMLElement).click()));
    await check(page);
  });
  test("a run that waits, and a question", async ({ page }) => {
    await open(page, { hash: SHORT });
    await trainToEnd(page);
    await page.reload();
    await page.getByText("A run is waiting").waitFor();
    await check(page);
    await button(page, "Forget it").click();
    await check(page);
  });
  test("a GPU with its certificate, and troubles", async ({ page }) => {
    await open(page, { gpu: true, query: "ms=20", hash: SHORT.replace("n=60", "n=5000") });
    await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
    await button(page, "Start").click();
    await page.getByText(/^Saved at step/).waitFor();
    await tell(page, { trouble: { kind: "gpu_error", words: "Validation error" } });
    await tell(page, { trouble: { kind: "storage_full", words: "Quota exceeded" } });
    await page.getByText("Each comparison").click();
    await check(page);
  });
  test("a class's link", async ({ page }) => {
    await open(page, { hash: `${SHORT}&hide=device,home&lock=layers,text` });
    await check(page);
  });
});

test("reflows at 320 px in every part", async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 700 });
  await open(page, { gpu: true, hash: SHORT });
  await trainToEnd(page);
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
  await page.locator("summary").evaluateAll((all) => all.forEach((s) => (s as HTMLElement).click()));
  const tooWide = await page.evaluate(() =>
    document.documentElement.scrollWidth > 320
      ? [...document.querySelectorAll("body *")]
          .filter((e) => e.getBoundingClientRect().right > 321)
          .map((e) => `${e.tagName}.${e.getAttribute("class") ?? ""}`)
      : [],
  );
  expect(tooWide).toEqual([]);
});

test("targets are 24 px, and nothing moves where motion is reduced", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open(page, { query: "ms=10", hash: SHORT.replace("n=60", "n=5000") });
  await button(page, "Start").click();
  await page.getByText(/^Saved at step/).waitFor();
  const small = await page
    .locator("button, select, input:not([type=radio], .visually-hidden), .chooser label, .choice, summary")
    .evaluateAll((all) =>
      all
        .map((e) => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()] as const)
        .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))
        .map(([html]) => html),
    );
  expect(small).toEqual([]);
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
});

test("forced colours keep what is chosen visible", async ({ page }) => {
  await page.emulateMedia({ forcedColors: "active" });
  await open(page);
  expect(await faults(page, "forced")).toEqual([]);
});

test("a journey by keyboard alone", async ({ page }) => {
  await open(page, { query: "ms=10", hash: SHORT.replace("n=60", "n=400") });
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to the training")).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await expect(button(page, "Start")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(state(page)).toHaveText("Training");
  // The button of the way on is one and the same, so the focus stays.
  await expect(button(page, "Pause")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(state(page)).toHaveText("Paused");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await expect(state(page)).toHaveText("Paused");
  await page.keyboard.press("Tab");
  await expect(button(page, "Stop")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(state(page)).toHaveText("Done");
  for (
    let i = 0;
    i < 40 && !(await page.getByLabel("Beginning of a text").evaluate((e) => e === document.activeElement));
    i++
  ) {
    await page.keyboard.press("Tab");
  }
  await expect(page.getByLabel("Beginning of a text")).toBeFocused();
  for (let i = 0; i < 4; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByText("200 tokens.")).toBeVisible();
  await expect(button(page, "Go on writing")).toBeFocused();
});

test("the theme is chosen and kept", async ({ page }) => {
  await open(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByLabel("Colours").selectOption("dark");
  expect(await ground()).not.toBe(light);
  await page.reload();
  expect(await ground()).not.toBe(light);
});

test("a screen reader hears milestones, not every step", async ({ page }) => {
  await page.clock.install();
  await open(page, { hash: SHORT.replace("n=60", "n=100000") });
  await button(page, "Start").click();
  await page.getByText(/^Saved at step/).waitFor();
  const live = page.locator(".card-training > [role=status].visually-hidden");
  await expect(live).toHaveText("");
  await page.clock.runFor(10_500);
  await expect(live).toHaveText(/^Step \d+ of 100000\. Loss \d/);
});
