import { button, expect, open, test, trainToEnd } from "./helpers.ts";

test("settings and seed come from the address and go into it", async ({ page }) => {
  await open(page, { hash: "#l=3&w=96&h=6&c=32&n=40&s=123&t=byte&p=ROMEO%3A" });
  await expect(page.getByLabel("Layers")).toHaveValue("3");
  await expect(page.getByLabel("Seed")).toHaveValue("123");
  await expect(page.getByLabel("Samples begin with")).toHaveValue("ROMEO:");
  await expect(page.locator(".card-text")).toContainText("of 256 kinds");
  await page.getByLabel("Seed").fill("77");
  await page.getByLabel("Seed").press("Tab");
  await expect.poll(() => page.url()).toContain("s=77");
  await page.reload();
  await expect(page.getByLabel("Seed")).toHaveValue("77");
  await expect(page.getByLabel("Steps", { exact: true })).toHaveValue("40");
});

test("nonsense in the address and in a field is passed over", async ({ page }) => {
  await open(page, { hash: "#l=-3&w=abc&n=1e99&s=5&hide=nothing&zzz=1" });
  await expect(page.getByLabel("Layers")).toHaveValue("2");
  await expect(page.getByLabel("Seed")).toHaveValue("5");
  await page.getByLabel("Layers").fill("999");
  await page.getByLabel("Layers").press("Tab");
  await expect(page.getByLabel("Layers")).toHaveValue("2");
});

test("a teacher's link hides and locks, and copying keeps both", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await open(page, { hash: "#l=1&n=30&s=9&hide=device,runs,home,look&lock=layers,text" });
  for (const title of ["The machine", "Your last runs", "Take it home"]) {
    await expect(page.getByRole("heading", { name: title })).toBeHidden();
  }
  await expect(page.getByLabel("Layers")).toBeDisabled();
  await expect(page.getByLabel("Width")).toBeEnabled();
  await expect(button(page, "Paste")).toBeHidden();
  await trainToEnd(page);
  await expect(page.getByRole("heading", { name: "Look inside" })).toBeHidden();
  await button(page, "Copy link").click();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toContain("hide=device,runs,home,look");
  expect(link).toContain("lock=layers,text");
  expect(link).toContain("s=9");
});

test("a preset fits itself to the time of a step", async ({ page }) => {
  await open(page);
  await expect(page.getByText("about 26 s")).toBeVisible();
  await page.getByRole("radio", { name: /5 minutes/ }).check();
  await expect(page.getByText(/about 4 min/)).toBeVisible();
  await page.getByText("Size and settings").click();
  await expect(page.getByLabel("Width")).toHaveValue("128");
});
