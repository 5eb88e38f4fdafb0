// Trains in wasm as a page does: node run.mjs MODULE.wasm FOLDER STEPS
// The files of FOLDER go into the module's memory before, and those that it wrote come out after; prints the losses.
import { webcrypto } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [path, folder, steps] = process.argv.slice(2);
const module = await WebAssembly.compile(readFileSync(path));

const wrapped = WebAssembly.Module.exports(module).filter(({ name }) => name.endsWith(".command_export"));
if (wrapped.length > 0) throw new Error(`static constructors run at each call of ${wrapped[0].name}`);

const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] ??= {};
  imports[from][name] = name.includes("getRandomValues")
    ? (at, bytes) => void webcrypto.getRandomValues(new Uint8Array(memory.buffer, at, bytes))
    : () => { throw new Error(`a run on the CPU called ${from}.${name}, which only a page has`); };
}
const { exports } = await WebAssembly.instantiate(module, imports);
const { memory, request, insert, files, name, content, train } = exports;
const answer = () => new Uint8Array(memory.buffer, exports.answer_start(), exports.answer_length()).slice();
const text = () => new TextDecoder().decode(answer());

exports.start();
for (const checkpoint of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.name.startsWith("step-"))) {
  for (const file of readdirSync(join(folder, checkpoint.name))) {
    const [label, bytes] = [new TextEncoder().encode(`${checkpoint.name}/${file}`), readFileSync(join(folder, checkpoint.name, file))];
    const at = request(label.length + bytes.length);
    const buffer = new Uint8Array(memory.buffer, at, label.length + bytes.length);
    buffer.set(label);
    buffer.set(bytes, label.length);
    insert(label.length);
  }
}

let trained;
try {
  trained = train(Number(steps));
} catch (error) {
  // After a panic the answer is its message.
  throw new Error(`${error.message}: ${text()}`);
}
if (!trained) throw new Error(text());
console.log(text());

for (let index = 0; index < files(); index += 1) {
  name(index);
  const to = join(folder, text());
  content(index);
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, answer());
}
