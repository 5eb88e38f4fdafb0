import { button, expect, hash, open, said, state, test } from "../real/helpers.ts";

test("memory does not grow from step 200 to 2,000", async ({ page }) => {
  await open(page, hash({ l: 2, w: 64, c: 64, r: 0.003, u: 20, n: 2000, e: 40, a: 200, k: 40 }));
  await button(page, "Start").click();
  await expect(state(page)).toHaveText("Done", { timeout: 600_000 });
  const told = (await said(page, "steps")).map(({ steps, memory_bytes }) => [
    steps.at(-1)!.step,
    memory_bytes,
  ]);
  const at = (step: number) => told.find(([last]) => last! >= step)![1]!;
  const growth = told.at(-1)![1]! / at(200) - 1;
  test.info().annotations.push({
    type: "memory",
    description: `${at(200)} bytes at step 200, ${told.at(-1)![1]} at 2,000`,
  });
  expect(growth).toBeLessThan(0.02);
});
