import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { button, expect, inWorker, open, ready, test, train } from "./helpers.ts";

const serve = async (listener: RequestListener) => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
};

test("loads clean, and asks for nothing once it has loaded", async ({ page, context }) => {
  await open(page);
  await page.waitForLoadState("networkidle");
  const requests: string[] = [];
  context.on("request", (request) => requests.push(request.url()));
  await context.setOffline(true);
  await train(page);
  await button(page, "Go on writing").click();
  await page.getByText("200 tokens.").waitFor();
  await button(page, "Look at this text").click();
  await page.getByText("Where does it look?").waitFor();
  const downloading = page.waitForEvent("download");
  await button(page, "Run as zip").click();
  await downloading;
  // A download is a request to the page's own memory, and the browser asks for the icon when it likes.
  expect(requests.filter((url) => !/flame\.svg$|^blob:/.test(url))).toEqual([]);
});

const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

test("no call of a module runs its static constructors again", async () => {
  const assets = new URL("../../dist/assets/", import.meta.url).pathname;
  const modules = readdirSync(assets).filter((name) => name.endsWith(".wasm"));
  expect(modules).toHaveLength(2);
  for (const name of modules) {
    const module = await WebAssembly.compile(readFileSync(assets + name));
    const wrapped = WebAssembly.Module.exports(module).filter(({ name }) => name.endsWith(".command_export"));
    expect(wrapped).toEqual([]);
  }
});

test("works from a plain folder below another, without any header", async ({ page }) => {
  const dist = new URL("../../dist/", import.meta.url).pathname;
  const { server, port } = await serve((request, response) => {
    const [, name] = /^\/school\/7b\/([^?#]*)/.exec(request.url!) ?? [];
    const path = join(dist, name || "index.html");
    const there = name !== undefined && existsSync(path) && statSync(path).isFile();
    const type = TYPES[extname(path)];
    response.writeHead(there ? 200 : 404, type ? { "Content-Type": type } : {});
    if (there) createReadStream(path).pipe(response);
    else response.end();
  });
  await page.goto(`http://127.0.0.1:${port}/school/7b/#l=1&w=32&h=4&c=32&b=8&n=20`);
  await ready(page);
  await train(page);
  server.closeAllConnections();
  server.close();
});

test("nothing connects to elsewhere, from the page or from its worker", async ({ page, quiet }) => {
  let heard = 0;
  const { server, port } = await serve((_, response) => {
    heard++;
    response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript" });
    response.end("0");
  });
  await open(page);
  const elsewhere = `http://127.0.0.1:${port}/`;
  const tries = async (url: string) => {
    const own = await fetch(location.origin === "null" ? "" : `${location.origin}/`).then(
      () => "connected",
      (error) => `${error}`,
    );
    const other = await fetch(url).then(
      () => "connected",
      (error) => `${error}`,
    );
    const code = await import(/* @vite-ignore */ url).then(
      () => "connected",
      (error) => `${error}`,
    );
    return [own, other, code];
  };
  const worker = inWorker(page);
  for (const found of [await page.evaluate(tries, elsewhere), await worker.evaluate(tries, elsewhere)]) {
    const [own, other, code] = found;
    expect(own).toBe("connected");
    expect(other).toContain("TypeError");
    expect(code).toContain("TypeError");
  }
  expect(heard).toBe(0);
  // The browser says each refusal as an error.
  expect(quiet.length).toBeGreaterThan(0);
  expect(quiet.filter((words) => !/Content Security Policy/.test(words))).toEqual([]);
  quiet.length = 0;
  server.close();
});
