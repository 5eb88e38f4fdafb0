// A Chromium of our own, with a profile on disk: it can be killed, and its pages can be hidden, which Playwright's own
// browser keeps from them.
import { chromium, type Browser, type Page } from "@playwright/test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import base from "../../playwright.config.ts";

const { executablePath, args } = base.use!.launchOptions!;

export class Chromium {
  private readonly profile = mkdtempSync(join(tmpdir(), "hearth-chromium-"));
  private process: ChildProcess | null = null;
  private browser: Browser | null = null;

  /** Opens it with this profile, and a page in it that has run nothing yet. */
  async open(): Promise<Page> {
    const child = spawn(
      executablePath!,
      [...args!, "--remote-debugging-port=0", `--user-data-dir=${this.profile}`, "about:blank"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    this.process = child;
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr!.on("data", (words) => {
        said += words;
        const [, found] = /DevTools listening on (ws:\S+)/.exec(said) ?? [];
        if (found) resolve(found);
      });
      child.on("exit", () => reject(new Error(`Chromium ended: ${said}`)));
    });
    this.browser = await chromium.connectOverCDP(address, { noDefaults: true });
    return this.page();
  }

  async page(): Promise<Page> {
    return this.browser!.contexts()[0]!.newPage();
  }

  /** Ends it as a power cut does. */
  async kill() {
    const child = this.process!;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    await this.browser!.close().catch(() => {});
  }

  async close() {
    if (this.process?.exitCode === null) await this.kill();
    // Processes of its own may write there for a moment more.
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 });
  }
}
