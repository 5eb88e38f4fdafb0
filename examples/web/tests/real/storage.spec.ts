import { button, expect, finish, hash, open, ready, said, state, stepNow, stored, test } from "./helpers.ts";
import { killAndGoOn } from "./kills.ts";

test("a full disk is said, training goes on, and the checkpoint before it survives", async ({
  page,
  context,
}) => {
  await open(page, hash({ n: 100000, e: 0, a: 0, k: 100 }));
  await button(page, "Start").click();
  await expect(page.getByText(/^Saved at step/)).toBeVisible();
  const cdp = await context.newCDPSession(page);
  const origin = new URL(page.url()).origin;
  await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 100_000 });
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("The browser has no room left");
  await expect(alert).toContainText("The one before is kept");
  await expect(page.getByText(/^Saved at step .*in this tab's memory only/)).toBeVisible();
  const at = await stepNow(page);
  await expect.poll(() => stepNow(page)).toBeGreaterThan(at + 150);
  await expect(state(page)).toHaveText("Training");
  const good = (await said(page, "saved")).filter(({ stored }) => stored).at(-1)!.step;

  // The run can be taken home although nothing can be stored.
  const downloading = page.waitForEvent("download");
  await alert.getByRole("button", { name: "Take the run home" }).click();
  await downloading;
  await page.reload();
  await ready(page);
  const { run } = (await said(page, "ready"))[0]!;
  expect(run!.step).toBe(good);
  expect(run!.notes).toEqual([]);

  // With room again the next checkpoint is stored, and the alert goes.
  await cdp.send("Storage.overrideQuotaForOrigin", { origin });
  await page
    .locator(".kept")
    .getByRole("button", { name: /^Continue/ })
    .click();
  await expect(page.getByText(/^Saved at step .*\)\.$/)).toBeVisible();
  await expect(alert).toHaveCount(0);
  await button(page, "Stop").click();
  await finish(page);
  expect(Object.keys(await stored(page, "step-"))).toContainEqual(
    expect.stringMatching(/model\.safetensors$/),
  );
});

test("a tab, a page and a browser that are killed lose nothing that was stored", async ({
  page,
  baseURL,
}) => {
  await killAndGoOn(page, baseURL!, hash({ n: 2000, e: 50, a: 0, k: 10 }), ["close", "crash", "kill"]);
});
