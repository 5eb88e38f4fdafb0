// Pictures of the built page with its real worker: three for the documentation, and three to look at in /tmp/shots.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import UPNG from "upng-js";

const ADDRESS = process.env.HEARTH_PAGE ?? "http://localhost:4173/";
const DOCS = fileURLToPath(new URL("../../../docs/web/", import.meta.url));
const OTHERS = "/tmp/shots/";
const DESKTOP = { width: 1280, height: 900 };
const BEAMER = { width: 1600, height: 1200 };
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
/** Trains until this share of the steps is taken. */
const train = async (page, share) => {
  await button(page, "Start").click();
  await page.waitForFunction((share) => {
    const bar = document.querySelector("progress");
    return bar && bar.value >= share * bar.max;
  }, share);
};
/** Fills the card that looks inside. */
const look = async (page, text) => {
  await page.getByLabel("Text to look at").fill(text);
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
};
/** Writes a picture of 256 colours, which is a third as large. */
const shoot = async (page, path, options = {}) => {
  await page.mouse.move(0, 0);
  const { width, height, ...image } = UPNG.decode(
    await page.screenshot({ animations: "disabled", ...options }),
  );
  const bytes = Buffer.from(UPNG.encode(UPNG.toRGBA8({ width, height, ...image }), width, height, 256));
  writeFileSync(path, bytes);
  console.log(`${path}  ${width} x ${height}, ${Math.round(bytes.length / 1000)} KB`);
  if (bytes.length > MOST_BYTES) process.exitCode = 1;
  await page.context().close();
};
/** A run in the middle, every card filled. */
const middle = async (options) => {
  const page = await open(options);
  await train(page, 0.4);
  await look(page, "ROMEO:\nWhat light");
  return page;
};
/** A run for which there is no room: said, with ways out. */
const trouble = async (options) => {
  const page = await open(options);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: new URL(ADDRESS).origin, quotaSize: 100_000 });
  await train(page, 0.3);
  await button(page, "Save now").click();
  await page.getByRole("alert").waitFor();
  return page;
};

const server = (await isServed())
  ? null
  : spawn("npx", ["vite", "preview"], { stdio: "ignore", detached: true });
try {
  while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 200));
  for (const folder of [DOCS, OTHERS]) mkdirSync(folder, { recursive: true });

  await shoot(await open({}), `${DOCS}start.png`);
  await shoot(await middle({ viewport: BEAMER }), `${DOCS}training.png`);
  await shoot(await trouble({}), `${DOCS}trouble.png`);

  await shoot(await middle({ viewport: PHONE, isMobile: true, hasTouch: true }), `${OTHERS}phone.png`, {
    fullPage: true,
  });
  await shoot(await middle({ viewport: BEAMER, colorScheme: "dark" }), `${OTHERS}dark.png`);
  await shoot(await middle({}), `${OTHERS}desktop.png`, { fullPage: true });
  await shoot(await trouble({ viewport: PHONE, colorScheme: "dark" }), `${OTHERS}phone-trouble-dark.png`);
} finally {
  await browser.close();
  if (server) process.kill(-server.pid);
}
