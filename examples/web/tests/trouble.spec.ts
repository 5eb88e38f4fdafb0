import { button, expect, open, SHORT, state, tell, test } from "./helpers.ts";

const LONG = SHORT.replace("n=60", "n=5000");

test("each trouble is said in words, with its ways out; the second does not hide the first", async ({
  page,
}) => {
  await open(page, { query: "ms=10", hash: LONG.replace("k=20", "k=0") });
  await button(page, "Start").click();
  const kinds: [string, string, string][] = [
    ["storage_full", "The browser has no room left", "Take the run home"],
    ["storage_refused", "This browser keeps nothing", "Take the run home"],
    ["diverged", "Training ran away", "Start with a third of the learning rate"],
    ["out_of_memory", "Out of memory", "Take a small model"],
    ["limit", "Too large for this device", "Take a small model"],
    ["bad_checkpoint", "This run cannot be opened", "Dismiss"],
  ];
  for (const [kind, title, way] of kinds) {
    await tell(page, { goesOn: true, trouble: { kind, words: `words of ${kind}` } });
    const alert = page.getByRole("alert").filter({ hasText: title });
    await expect(alert).toContainText(`words of ${kind}`);
    await expect(alert.getByRole("button", { name: way })).toBeVisible();
  }
  await expect(page.getByRole("alert")).toHaveCount(kinds.length);
  await expect(state(page)).toHaveText("Training");
  await page.getByRole("alert").first().getByRole("button", { name: "Dismiss" }).click();
  await expect(page.getByRole("alert")).toHaveCount(kinds.length - 1);
});

test("a lost GPU is opened again three times, then the processor is offered", async ({ page }) => {
  await open(page, { gpu: true, query: "ms=10", hash: LONG });
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
  await button(page, "Start").click();
  for (let i = 1; i <= 3; i++) {
    await expect(state(page)).toHaveText("Training");
    await expect(page.getByText(/^Saved at step/)).toBeVisible();
    await tell(page, { trouble: { kind: "device_lost", words: "reset by the driver" } });
    await expect(page.getByText(`Opening it again (${i} of 3)`)).toBeVisible();
  }
  await expect(state(page)).toHaveText("Training");
  await tell(page, { trouble: { kind: "device_lost", words: "reset by the driver" } });
  await expect(page.getByRole("alert")).toContainText("The GPU was lost");
  await button(page, "Continue on the processor").click();
  await expect(state(page)).toHaveText("Training");
  await expect(page.getByRole("radio", { name: /^Processor/ })).toBeChecked();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(page.locator(".progress")).toContainText("of 5,000");
});

test("a module that panics is loaded again, twice", async ({ page }) => {
  await open(page, { query: "ms=10", hash: LONG });
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();
  for (let i = 0; i < 2; i++) {
    await tell(page, { crash: true });
    await expect(page.getByRole("alert")).toContainText("unreachable executed");
    await button(page, "Load it again").click();
    await expect(state(page)).toHaveText("Ready to train");
    await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeVisible();
  }
});

test("a second tab is told, and so is a browser that keeps nothing", async ({ page }) => {
  await open(page, { query: "storage=other_tab" });
  await expect(page.getByRole("alert")).toContainText("Another tab has the run");
  await open(page, { query: "storage=unavailable" });
  await expect(page.getByText("This browser keeps nothing: take the run home")).toBeVisible();
});

test("bad texts are refused in words and the one before stays", async ({ page }) => {
  await open(page);
  const file = page.locator(".card-text input[type=file]");
  await file.setInputFiles({ name: "cat.jpg", mimeType: "image/jpeg", buffer: Buffer.from([0xff, 0, 1, 2]) });
  await expect(page.getByRole("alert")).toContainText("cat.jpg holds zero bytes");
  await expect(page.locator(".text-name")).toHaveText("Shakespeare");
  await file.setInputFiles({ name: "tiny.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await expect(page.getByRole("alert")).toHaveCount(2);
  await page.getByRole("alert").last().getByRole("button", { name: "Take the embedded text" }).click();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("a size that does not fit is refused with the limit, and cannot be started", async ({ page }) => {
  await open(page, { hash: SHORT.replace("w=64", "w=640") });
  await expect(page.getByText("this device allows 128 MiB")).toBeVisible();
  await expect(button(page, "Start")).toHaveAttribute("aria-disabled", "true");
});

test("after an error of the GPU a new run gets a new worker", async ({ page }) => {
  await open(page, { gpu: true, query: "ms=10", hash: LONG });
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();
  await tell(page, { trouble: { kind: "gpu_error", words: "Validation error" } });
  await page.getByRole("alert").getByRole("button", { name: "Dismiss" }).click();
  await button(page, "Start anew").click();
  await expect(state(page)).toHaveText("Training");
});
