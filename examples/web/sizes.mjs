// Compresses what was built, for servers that send .gz or .br, and prints the sizes.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("dist", import.meta.url).pathname;
const files = readdirSync(dist, { recursive: true }).map((name) => join(dist, name));
const rows = [];
for (const file of files.filter((file) =>
  [".js", ".css", ".html", ".wasm", ".svg", ".txt"].includes(extname(file)),
)) {
  const bytes = readFileSync(file);
  const gzip = gzipSync(bytes, { level: 9 });
  const brotli = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  writeFileSync(`${file}.gz`, gzip);
  writeFileSync(`${file}.br`, brotli);
  rows.push([relative(dist, file), bytes.length, gzip.length, brotli.length]);
}
rows.sort((a, b) => b[1] - a[1]);
const shown = (bytes) =>
  (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(2)} MB`).padStart(10);
console.log(`${"".padEnd(44)}${"raw".padStart(10)}${"gzip".padStart(10)}${"brotli".padStart(10)}`);
for (const [name, ...sizes] of rows) console.log(name.padEnd(44) + sizes.map(shown).join(""));
if (rows.every(([name]) => statSync(join(dist, name)).size > 0) === false) process.exit(1);
