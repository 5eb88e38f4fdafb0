// The page as it is built, with the module that trains. `tests/real` is for the gate; `tests/slow` takes minutes.
import { defineConfig } from "@playwright/test";
import base from "./playwright.config.ts";

const ADDRESS = "http://localhost:4173/";
const launch = base.use!.launchOptions!;
const cpu = { launchOptions: launch };
// Without the flag no request for an adapter is answered; with it a machine that has no GPU answers with SwiftShader.
const gpu = { launchOptions: { ...launch, args: [...launch.args!, "--enable-unsafe-webgpu"] } };

export default defineConfig({
  ...base,
  testIgnore: [],
  timeout: 60_000,
  use: { ...base.use, baseURL: ADDRESS },
  projects: [
    { name: "cpu", testDir: "tests/real", testIgnore: "**/gpu*.spec.ts", use: cpu },
    {
      name: "gpu",
      testDir: "tests/real",
      testMatch: "**/gpu*.spec.ts",
      use: gpu,
      timeout: 240_000,
      workers: 1,
    },
    { name: "slow", testDir: "tests/slow", use: cpu, timeout: 900_000 },
  ],
  webServer: { command: "npx vite preview", url: ADDRESS, reuseExistingServer: true },
});
