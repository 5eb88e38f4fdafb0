import { button, expect, open, SHORT, state, test, trainToEnd } from "./helpers.ts";

test("loads clean and asks for nothing afterwards", async ({ page }) => {
  await open(page);
  const requests: string[] = [];
  await page.waitForLoadState("networkidle");
  // The browser asks for the icon when it likes.
  page.on("request", (request) => /flame\.svg$|^blob:/.test(request.url()) || requests.push(request.url()));
  await trainToEnd(page);
  await button(page, "Go on writing").click();
  await page.getByText("200 tokens.").waitFor();
  await button(page, "Look at this text").click();
  await button(page, "Run as zip").first().click();
  await page.getByText("go on natively").waitFor();
  expect(requests).toEqual([]);
});

test("starts, pauses, steps, resumes, stops", async ({ page }) => {
  await open(page, { query: "ms=15", hash: SHORT.replace("n=60", "n=2000") });
  await button(page, "Start").click();
  await expect(state(page)).toHaveText("Training");
  await expect(page.locator(".progress")).toContainText(/Step \d+ of 2,000/);
  await button(page, "Pause").click();
  await expect(state(page)).toHaveText("Paused");
  const at = async () =>
    Number((await page.locator(".progress span").innerText()).match(/Step ([\d,]+)/)![1]!.replace(",", ""));
  const before = await at();
  await button(page, "One step").click();
  await expect.poll(at).toBe(before + 1);
  await expect(state(page)).toHaveText("Paused");
  await button(page, "Resume").click();
  await expect(state(page)).toHaveText("Training");
  await button(page, "Save now").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();
  await button(page, "Stop").click();
  await expect(state(page)).toHaveText("Done");
});

test("continues a run that is done, and shows samples by step", async ({ page }) => {
  await open(page, { hash: SHORT });
  await trainToEnd(page);
  await page.getByLabel("More steps").fill("40");
  await button(page, "Continue").click();
  await expect(page.locator(".progress")).toContainText("Step 100 of 100");
  await expect(state(page)).toHaveText("Done");
  const slider = page.getByLabel("Step of the sample");
  await expect(slider).toHaveAttribute("aria-valuetext", "At step 100");
  await slider.focus();
  await page.keyboard.press("Home");
  await expect(slider).toHaveAttribute("aria-valuetext", "At step 20");
  await expect(page.locator("pre.sample")).toContainText("tneo ahs");
  await page.getByText("As a table").first().click();
  await expect(page.getByRole("region", { name: "Loss by step" }).getByRole("row")).toHaveCount(62);
});

test("a run is kept over a reload, continued, and forgotten", async ({ page }) => {
  await open(page, { hash: SHORT });
  await trainToEnd(page);
  await page.reload();
  await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeVisible();
  await button(page, "Start").click();
  await expect(page.getByRole("dialog")).toContainText("Replace the run?");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(state(page)).toHaveText("Ready to train");
  await button(page, "Continue to step 120").click();
  await expect(state(page)).toHaveText("Done");
  await expect(page.locator(".progress")).toContainText("Step 120 of 120");
  await page.reload();
  await button(page, "Forget it").click();
  await page.getByRole("dialog").getByRole("button", { name: "Forget it" }).click();
  await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeHidden();
  await page.reload();
  await expect(page.getByText("Ready to train")).toBeVisible();
  await expect(page.getByRole("heading", { name: "A run is waiting" })).toBeHidden();
});

test("writes behind a prompt while it trains, and stops writing", async ({ page }) => {
  await open(page, { query: "ms=10", hash: SHORT.replace("n=60", "n=2000") });
  await button(page, "Start").click();
  await page.getByLabel("Beginning of a text").fill("O ");
  await page.getByLabel("Tokens", { exact: true }).last().fill("500");
  await button(page, "Go on writing").click();
  await button(page, "Stop writing").click();
  await expect(page.getByText(/tokens, stopped\./)).toBeVisible();
  await expect(state(page)).toHaveText("Training");
  await button(page, "Look at this text").click();
  await expect(page.getByRole("heading", { name: "Where does it look?" })).toBeVisible();
  await page.getByLabel("Head", { exact: true }).selectOption({ value: "3" });
  await expect(page.getByRole("img", { name: /layer 1, head 4/ })).toBeVisible();
});

test("compares the last five runs, named by what differs", async ({ page }) => {
  await open(page, { query: "ms=0", hash: SHORT.replace("n=60", "n=5") });
  const rows = page.locator(".card-runs tbody tr");
  await button(page, "Start").click();
  await expect(state(page)).toHaveText("Done");
  for (let seed = 4; seed < 10; seed++) {
    await page.getByLabel("Seed").fill(String(seed));
    await page.getByLabel("Seed").press("Tab");
    await button(page, "Start anew").click();
    // The state alone may still be that of the run before.
    await expect(rows.last()).toContainText(`Seed ${seed}`);
    await expect(state(page)).toHaveText("Done");
  }
  await expect(rows).toHaveCount(5);
  await expect(rows.last()).toContainText("Seed 9");
  await expect(page.locator(".card-runs polyline")).toHaveCount(5);
  await button(page, "Remove Run 1").click();
  await expect(rows).toHaveCount(4);
});
