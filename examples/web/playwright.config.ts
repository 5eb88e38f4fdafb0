import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  testIgnore: ["real/**", "slow/**"],
  timeout: 90_000,
  // The machine may do other things meanwhile.
  retries: 1,
  workers: 2,
  fullyParallel: true,
  reporter: [["line"]],
  outputDir: "test-results",
  use: {
    baseURL: "http://localhost:4174/",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  webServer: {
    command: "npx vite preview --mode fake --outDir dist-fake --port 4174",
    url: "http://localhost:4174/",
    reuseExistingServer: true,
  },
});
