// What is measured, in one folder, and a server of it: a snapshot, so that a build in the meantime changes nothing.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const WEB = join(HERE, "..");
export const OUT = join(HERE, "out");
const ASSETS = join(OUT, "page/assets");

/** Bundles the page with the modules that are built, and the contenders; gives the worker's address, the text and sizes. */
export const prepare = async () => {
  rmSync(OUT, { recursive: true, force: true });
  const vite = join(WEB, "node_modules/vite/bin/vite.js");
  execFileSync(process.execPath, [vite, "build", "--outDir", join(OUT, "page"), "--logLevel", "error"], {
    cwd: WEB,
  });
  await build({
    entryPoints: ["hearth", "tf", "nanogpt"].map((name) => join(HERE, `pages/${name}.js`)),
    outdir: join(OUT, "bench"),
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2024",
    logLevel: "error",
  });
  const assets = readdirSync(ASSETS);
  const find = (pattern) => assets.find((name) => pattern.test(name));
  const { default: text } = await import(join(ASSETS, find(/^input-.*\.js$/)));
  const modules = assets
    .filter((name) => name.endsWith(".wasm"))
    .map((name) => statSync(join(ASSETS, name)).size);
  return { text, worker: `/page/assets/${find(/^worker-.*\.js$/)}`, modules: modules.sort((a, b) => a - b) };
};

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};
const FOLDERS = {
  page: join(OUT, "page"),
  bench: join(OUT, "bench"),
  "tfjs-wasm": join(HERE, "node_modules/@tensorflow/tfjs-backend-wasm/dist"),
};

/** A plain static server: no special headers, nothing compressed. */
export const serve = async () => {
  const server = createServer((request, response) => {
    const [, folder, name] = new URL(request.url, "http://localhost").pathname.split(/^\/([^/]+)\//);
    const path = FOLDERS[folder] && join(FOLDERS[folder], name || "index.html");
    if (folder === "bare")
      return response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html>");
    if (!path || !existsSync(path) || !statSync(path).isFile()) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => (server.closeAllConnections(), server.close()),
  };
};
