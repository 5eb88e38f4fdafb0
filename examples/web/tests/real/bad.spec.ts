import type { Page } from "@playwright/test";
import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";
import { readFileSync } from "node:fs";
import { button, expect, finish, hash, open, test, train } from "./helpers.ts";

const bring = (page: Page, name: string, bytes: Uint8Array) =>
  page
    .locator(".card-text input[type=file]")
    .setInputFiles({ name, mimeType: "application/octet-stream", buffer: Buffer.from(bytes) });
const bringZip = (page: Page, files: Record<string, Uint8Array>) =>
  page.locator("input[accept*=zip]").setInputFiles({
    name: "run.zip",
    mimeType: "application/zip",
    buffer: Buffer.from(zipSync(files)),
  });

const PNG = Uint8Array.from([
  0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52,
]);

test("a picture, nothing and next to nothing are no texts, and the one before stays", async ({ page }) => {
  await open(page);
  const alerts = page.getByRole("alert");
  await bring(page, "cat.png", PNG);
  await expect(alerts).toContainText("That is not a text");
  await expect(alerts).toContainText("cat.png");
  await alerts.getByRole("button", { name: "Dismiss" }).click();
  await bring(page, "empty.txt", new Uint8Array());
  await expect(alerts).toContainText("empty.txt");
  await alerts.getByRole("button", { name: "Dismiss" }).click();
  await expect(page.locator(".text-name")).toHaveText("Shakespeare");
  await train(page);

  // Nine bytes are a text, but no run can be made of them, and the one that is stored is not given up for them.
  await bring(page, "nine.txt", strToU8("123456789"));
  const start = button(page, "Start anew");
  await expect(alerts.or(page.locator(".text-name", { hasText: "nine.txt" }))).toBeVisible();
  await page.waitForTimeout(500);
  if (await alerts.isHidden()) await start.click();
  await expect(alerts).toContainText("The text is too short");
  await page.reload();
  await expect(page.locator(".kept")).toContainText("60 steps");
});

test("twenty megabytes of text are taken, and the page answers meanwhile", async ({ page }) => {
  await open(page, hash({ n: 10, e: 0, a: 0, k: 0 }));
  const line = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.\n";
  const text = strToU8(line.repeat(Math.ceil(20e6 / line.length)));
  await bring(page, "long.txt", text);
  await button(page, "Paste").click();
  await expect(page.getByLabel("Text to learn from")).toBeVisible();
  await expect(page.locator(".text-name")).toHaveText("long.txt", { timeout: 30_000 });
  await expect(page.locator(".card-text")).toContainText("19.1 MiB");
  await train(page);
  await expect(page.getByText(/^Saved at step 10 .*\)\.$/)).toBeVisible();
});

test("a checkpoint that is broken or newer, and a zip without a run, are said in words", async ({ page }) => {
  await open(page);
  await train(page);
  const downloading = page.waitForEvent("download");
  await button(page, "Run as zip").click();
  const files = unzipSync(new Uint8Array(readFileSync(await (await downloading).path())));
  const alerts = page.getByRole("alert");
  const replaces = async () => {
    const dialog = page.getByRole("dialog");
    if (await dialog.isVisible()) await dialog.getByRole("button", { name: "Replace it" }).click();
  };
  const changed = (change: (name: string, bytes: Uint8Array) => Uint8Array | null) =>
    Object.fromEntries(
      Object.entries(files).flatMap(([name, bytes]) => {
        const made = change(name, bytes);
        return made ? [[name, made] as const] : [];
      }),
    );
  const broken = (name: string, bytes: Uint8Array) => {
    if (!name.endsWith("model.safetensors")) return bytes;
    const other = bytes.slice();
    other[other.length - 5]! ^= 1;
    return other;
  };
  const dismiss = () => alerts.getByRole("button", { name: "Dismiss" }).click();

  // Every checkpoint is broken: nothing is opened.
  await bringZip(page, changed(broken));
  await expect(alerts).toContainText("This run cannot be opened");
  await expect(alerts).toContainText("was changed since it was written");
  await dismiss();

  // Only the newest: the one before it is taken, and that is said.
  await bringZip(
    page,
    changed((name, bytes) => (name.includes("step-00000060/") ? broken(name, bytes) : bytes)),
  );
  await replaces();
  await expect(page.locator(".kept")).toContainText("40 steps");
  await expect(page.locator(".kept")).toContainText("step-00000060 was passed over");
  await page.locator(".kept").getByRole("button", { name: "Continue to step 60" }).click();
  await finish(page);

  // One that a later version wrote.
  const newer = (name: string, bytes: Uint8Array) => {
    if (!name.endsWith("manifest.json")) return bytes;
    const manifest = JSON.parse(strFromU8(bytes)) as { format: number };
    return strToU8(JSON.stringify({ ...manifest, format: manifest.format + 1 }));
  };
  await bringZip(page, changed(newer));
  await expect(alerts).toContainText("This run cannot be opened");
  await expect(alerts).toContainText(/newer|later|format/);
  test.info().annotations.push({ type: "newer", description: await alerts.innerText() });
  await dismiss();

  // A manifest that is missing is none; a zip of other things is no run; what is no zip is said to be none.
  await bringZip(
    page,
    changed((name, bytes) => (name.endsWith("manifest.json") ? null : bytes)),
  );
  await expect(alerts).toContainText("This run cannot be opened");
  await dismiss();
  await bringZip(page, { "holiday/photo.png": PNG, "notes.txt": strToU8("hello") });
  await expect(alerts).toContainText("The zip holds no run");
  await dismiss();
  const zip = zipSync(files);
  await page.locator("input[accept*=zip]").setInputFiles({
    name: "half.zip",
    mimeType: "application/zip",
    buffer: Buffer.from(zip.slice(0, zip.length / 2)),
  });
  await expect(alerts).toContainText("This run cannot be opened");
  await dismiss();

  // What is stored has stayed, and the page trains on.
  await page.reload();
  await expect(page.locator(".kept")).toContainText("60 steps");
});
