import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

export const faults = async (page: Page, where: string) => {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(
    ({ id, nodes }) => `${where}: ${id} at ${nodes.map((n) => n.target.join(" ")).join(", ")}`,
  );
};

/** axe in both themes, on a phone and a desktop; and nothing may be wider than the screen. */
export const check = async (page: Page) => {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [360, 1280]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(50);
      found.push(...(await faults(page, `${colorScheme} ${width}`)));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) found.push(`${colorScheme} ${width}: ${wide} px wide`);
    }
  }
  expect(found).toEqual([]);
};
