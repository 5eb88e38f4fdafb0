// Pictures of the built page with its real worker: three for the documentation, and three to look at in /tmp/shots.
import { spawn } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ADDRESS = "http://localhost:4173/";
const DOCS = "/tmp/shots/docs/";
const OTHERS = "/tmp/shots/";
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const MOST_BYTES = 250_000;

const isServed = () =>
  fetch(ADDRESS).then(
    ({ ok }) => ok,
    () => false,
  );

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless=new", "--no-sandbox", "--disable-quic", "--font-render-hinting=none"],
});

const open = async (options, address = "") => {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.goto(ADDRESS + address);
  await page.getByText("Ready to train").waitFor();
  await page.getByText("tokens/s").first().waitFor();
  // A preset takes the size that the measured time of a step allows.
  await page.waitForTimeout(1500);
  return page;
};
const button = (page, name) => page.getByRole("button", { name, exact: true });
const step = async (page) =>
  Number((await page.locator(".progress span").innerText()).match(/Step ([\d,]+)/)[1].replaceAll(",", ""));
/** Trains until so many steps are taken. */
const train = async (page, steps) => {
  await button(page, "Start").click();
  while (!(await page.locator(".progress").isVisible()) || (await step(page)) < steps) await page.waitForTimeout(50);
};
/** Fills the card that looks inside. */
const look = async (page, text) => {
  await page.getByLabel("Text to look at").fill(text);
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
};
const shoot = async (page, path, options = {}) => {
  await page.mouse.move(0, 0);
  await page.screenshot({ path, animations: "disabled", ...options });
  const { size } = statSync(path);
  console.log(`${path}  ${Math.round(size / 1000)} KB`);
  if (size > MOST_BYTES) process.exitCode = 1;
  await page.context().close();
};

const server = (await isServed()) ? null : spawn("npx", ["vite", "preview"], { stdio: "ignore", detached: true });
try {
  while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 200));
  for (const folder of [DOCS, OTHERS]) mkdirSync(folder, { recursive: true });

  await shoot(await open({}), `${DOCS}start.png`);

  const middle = async (options) => {
    const page = await open(options);
    await train(page, 700);
    await look(page, "ROMEO:\nWhat light");
    return page;
  };
  await shoot(await middle({}), `${DOCS}training.png`, { fullPage: true });
} finally {
  await browser.close();
  if (server) process.kill(-server.pid);
}
