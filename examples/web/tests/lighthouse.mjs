// Lighthouse on the built page, on a desktop and on the phone that it imagines; says what keeps a mark from 100.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Not among the packages of the page: it is three times as large as all of them. The last one that runs on Node 20.
const LIGHTHOUSE = "lighthouse@12.8.2";
const ADDRESS = "http://localhost:4173/";
const WANTED = { accessibility: 100, "best-practices": 100, performance: 95 };
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const isServed = () =>
  fetch(ADDRESS).then(
    ({ ok }) => ok,
    () => false,
  );

const mark = (how, folder) => {
  const path = join(folder, `${how}.json`);
  const { status } = spawnSync(
    "npx",
    [
      ...["--yes", LIGHTHOUSE, ADDRESS, "--quiet", "--output=json", `--output-path=${path}`],
      ...(how === "desktop" ? ["--preset=desktop"] : []),
      `--only-categories=${Object.keys(WANTED)}`,
      "--chrome-flags=--headless=new --no-sandbox --disable-quic --disable-background-networking",
    ],
    { stdio: "inherit", env: { ...process.env, CHROME_PATH: CHROMIUM } },
  );
  if (status !== 0) throw new Error(`lighthouse ended with ${status}`);
  const { categories, audits } = JSON.parse(readFileSync(path, "utf8"));
  const marks = Object.entries(categories).map(([name, { score }]) => [name, Math.round(100 * score)]);
  console.log(`${how.padEnd(8)} ${marks.map(([name, score]) => `${name} ${score}`).join(", ")}`);
  for (const { auditRefs } of Object.values(categories)) {
    for (const { id } of auditRefs.filter(({ weight }) => weight > 0)) {
      const { score, scoreDisplayMode, title, displayValue = "", details } = audits[id];
      if (scoreDisplayMode === "informative" || score === null || score >= 0.9) continue;
      console.log(`  ${id}: ${title} ${displayValue}`);
      for (const { node, url, source, description } of details?.items?.slice(0, 5) ?? [])
        console.log(`    ${node?.snippet ?? url ?? source ?? ""} ${description ?? node?.explanation ?? ""}`);
    }
  }
  for (const id of [
    "first-contentful-paint",
    "largest-contentful-paint",
    "total-blocking-time",
    "cumulative-layout-shift",
    "speed-index",
    "interactive",
  ])
    if (audits[id]) console.log(`  ${audits[id].title}: ${audits[id].displayValue}`);
  return marks;
};

const server = (await isServed())
  ? null
  : spawn("npx", ["vite", "preview"], { stdio: "ignore", detached: true });
const folder = mkdtempSync(join(tmpdir(), "hearth-lighthouse-"));
try {
  while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 200));
  const marks = mark("desktop", folder);
  mark("phone", folder);
  for (const [name, score] of marks.filter(([name, score]) => score < WANTED[name])) {
    console.error(`${name}: ${score} on a desktop, and ${WANTED[name]} is wanted`);
    process.exitCode = 1;
  }
} finally {
  if (server) process.kill(-server.pid);
  rmSync(folder, { recursive: true });
}
