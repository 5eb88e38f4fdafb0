import { existsSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** Bytes of the embedded text: enough to learn from for hours, small enough for a phone's connection. */
const TEXT_BYTES = 200_000;

/** `FILE?head` is the beginning of a text file, up to the end of a paragraph, as a module of its own. */
const head = (): Plugin => ({
  name: "hearth-head",
  enforce: "pre",
  load(id) {
    if (!id.endsWith("?head")) return null;
    const text = readFileSync(id.slice(0, -"?head".length), "utf8");
    const end = text.lastIndexOf("\n\n", TEXT_BYTES) + 1;
    return `export default ${JSON.stringify(text.slice(0, end))}`;
  },
});

/** A module that is not built yet fails when it is asked for, not when the page is bundled. */
const absentModules = (): Plugin => ({
  name: "hearth-absent-modules",
  enforce: "pre",
  resolveId(source, importer) {
    if (!source.endsWith("/hearth_web.js") || !importer) return null;
    const file = new URL(source, `file://${importer}`).pathname;
    return existsSync(file) ? null : `\0absent:${source}`;
  },
  load(id) {
    if (!id.startsWith("\0absent:")) return null;
    const words = JSON.stringify(`${id.slice("\0absent:".length)} is not built`);
    return `export default async () => { throw new Error(${words}) }; export const start = () => {}; export const receive = () => {};`;
  },
});

/** The development server puts styles into the page and speaks to it over a socket, which the built page forbids. */
const openWhileServing = (): Plugin => ({
  name: "hearth-open-while-serving",
  apply: "serve",
  transformIndexHtml: (html) => html.replace(/\s*<meta http-equiv="Content-Security-Policy"[^>]*>/, ""),
});

const TARGET = "es2022";

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [head(), absentModules(), openWhileServing()],
  resolve: {
    alias: mode === "fake" ? [{ find: "./spawn.ts", replacement: "/tests/fake/spawn.ts" }] : [],
  },
  worker: { format: "es" as const, plugins: () => [absentModules()] },
  build: {
    target: TARGET,
    outDir: mode === "fake" ? "dist-fake" : "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  preview: { port: 4173, strictPort: true },
}));
