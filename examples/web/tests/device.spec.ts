import { button, expect, open, SHORT, state, test, trainToEnd } from "./helpers.ts";

test("takes the faster device, checks its numbers once, and remembers it", async ({ page }) => {
  await open(page, { gpu: true, hash: SHORT });
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
  await button(page, "Start").click();
  await expect(state(page)).toHaveText(/Checking the GPU's numbers/);
  await expect(state(page)).toHaveText("Done");
  await expect(page.getByText("Checked: the numbers are right.")).toBeVisible();
  await page.reload();
  await expect(page.getByText("Checked: the numbers are right.")).toBeVisible();
});

test("a GPU with wrong numbers trains nothing", async ({ page }) => {
  await open(page, { gpu: true, query: "wrong", hash: SHORT });
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
  await button(page, "Start").click();
  await expect(page.getByRole("alert")).toContainText("This GPU computes wrong numbers");
  await expect(state(page)).toHaveText("Ready to train");
  await button(page, "Use the processor").click();
  await expect(page.getByRole("radio", { name: /^Processor/ })).toBeChecked();
  await trainToEnd(page);
});

test("an imitated GPU is said and not taken", async ({ page }) => {
  await open(page, { gpu: true, query: "gpu=software" });
  await expect(page.getByText("An imitation of a GPU by the processor, so it is slow.")).toBeVisible();
  await expect(page.getByText("faster")).toBeVisible();
  await expect(page.getByRole("radio", { name: /^Processor/ })).toBeChecked();
});

test("without its module or an adapter the processor does the work, and that is said", async ({ page }) => {
  await open(page, { gpu: true, query: "gpu=missing" });
  await expect(page.getByText(/The GPU module does not work here.*404/)).toBeVisible();
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeDisabled();
});

test("a person's choice of device stands", async ({ page }) => {
  await open(page, { gpu: true, hash: SHORT });
  await page.getByRole("radio", { name: /^Processor/ }).check();
  await expect(page.getByText("Ready to train")).toBeVisible();
  await page.getByText("Size and settings").click();
  await page.getByText("Size and settings").click();
  await page.getByLabel("Width").fill("128");
  await page.getByLabel("Width").press("Tab");
  await expect(page.getByText("tokens/s")).toHaveCount(2);
  await expect(page.getByRole("radio", { name: /^Processor/ })).toBeChecked();
});
