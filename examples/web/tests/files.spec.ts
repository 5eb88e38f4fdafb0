import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strFromU8, unzipSync } from "fflate";
import { button, expect, open, SHORT, state, test, trainToEnd } from "./helpers.ts";

/** A folder as `hearth train` leaves it. */
const runFolder = () => {
  const folder = join(mkdtempSync(join(tmpdir(), "hearth-")), "my-run");
  mkdirSync(join(folder, "step-00000010"), { recursive: true });
  writeFileSync(join(folder, "config.toml"), "seed = 7\n");
  writeFileSync(join(folder, "input.txt"), "To be, or not to be.\n");
  writeFileSync(join(folder, "step-00000010", "model.safetensors"), "weights");
  writeFileSync(join(folder, "step-00000010", "manifest.json"), "{}");
  return folder;
};

test("texts are chosen, pasted and told about", async ({ page }) => {
  await open(page);
  await expect(page.locator(".card-text")).toContainText("of 61 kinds");
  const text = "All happy families are alike; each unhappy family is unhappy in its own way.\n".repeat(9);
  await page
    .locator(".card-text input[type=file]")
    .setInputFiles({ name: "anna.txt", mimeType: "text/plain", buffer: Buffer.from(text) });
  await expect(page.locator(".text-name")).toHaveText("anna.txt");
  await button(page, "Paste").click();
  await page.getByLabel("Text to learn from").fill(text);
  await button(page, "Use this text").click();
  await expect(page.locator(".text-name")).toHaveText("pasted text");
  await button(page, "Take the embedded text").click();
  await expect(page.locator(".text-name")).toHaveText("Shakespeare");
});

test("a text and a run can be dropped anywhere", async ({ page }) => {
  await open(page);
  const drop = (name: string, content: string) =>
    page.evaluate(
      ([name, content]) => {
        const data = new DataTransfer();
        data.items.add(new File([content!], name!));
        document.body.dispatchEvent(
          new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }),
        );
      },
      [name, content],
    );
  await drop("dropped.txt", "A sentence that is long enough to be a text for a test. ".repeat(4));
  await expect(page.locator(".text-name")).toHaveText("dropped.txt");
  await drop("broken.zip", "this is no zip");
  await expect(page.getByRole("alert")).toContainText("This run cannot be opened");
});

test("the zip holds the run and its picture, and comes back", async ({ page }, info) => {
  await open(page, { hash: SHORT });
  await trainToEnd(page);
  const downloading = page.waitForEvent("download");
  await button(page, "Run as zip").click();
  const path = info.outputPath("run.zip");
  await (await downloading).saveAs(path);
  const files = unzipSync(new Uint8Array(readFileSync(path)));
  expect(Object.keys(files).sort()).toEqual(
    [
      "config.toml",
      "input.txt",
      "loss.svg",
      "metrics.jsonl",
      "step-00000060/model.safetensors",
      "step-00000060/state.json",
    ].map((name) => `hearth-run-60/${name}`),
  );
  expect(files["hearth-run-60/step-00000060/model.safetensors"]).toEqual(
    Uint8Array.from({ length: 1_200_000 }, (_, i) => i % 251),
  );
  expect(strFromU8(files["hearth-run-60/loss.svg"]!)).toMatch(/^<svg .*<polyline/s);
  await expect(page.getByText("hearth train --resume hearth-run-10")).toBeVisible();

  await page.reload();
  await page.locator("input[accept*=zip]").setInputFiles(path);
  await page.getByRole("dialog").getByRole("button", { name: "Replace it" }).click();
  await expect(page.locator(".kept")).toContainText("60 steps");
  await button(page, "Continue to step 200").click();
  await expect(state(page)).toHaveText("Done");
});

test("a folder of hearth train is opened and continued", async ({ page }) => {
  await open(page);
  await page.locator("input[webkitdirectory]").setInputFiles(runFolder());
  await expect(page.locator(".kept")).toContainText("10 steps");
  await button(page, "Continue to step 200").click();
  await expect(page.locator(".progress")).toContainText("of 200");
});

test("a run that only memory holds goes along to another device", async ({ page }) => {
  await open(page, { gpu: true, query: "storage=unavailable", hash: SHORT });
  await expect(page.getByRole("radio", { name: /^GPU/ })).toBeChecked();
  await page.locator("input[webkitdirectory]").setInputFiles(runFolder());
  await expect(page.locator(".kept")).toContainText("10 steps");
  await page.getByRole("radio", { name: /^Processor/ }).check();
  await expect(page.locator(".kept")).toContainText("10 steps");
  await expect(page.getByRole("radio", { name: /^Processor/ })).toBeChecked();
});
