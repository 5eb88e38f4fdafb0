// Zips, in pieces with a turn of the event loop in between, so that the page answers while it packs.
import { Unzip, UnzipInflate, Zip, ZipDeflate, ZipPassThrough } from "fflate";
import { arrange, relative } from "./files.ts";

const PIECE = 1 << 19;
const breathe = () => new Promise<void>((resolve) => setTimeout(resolve));

export const pack = async (folder: string, files: { name: string; bytes: Uint8Array }[]): Promise<Blob> => {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let failure: Error | null = null;
  const zip = new Zip((error, piece) => {
    failure ??= error;
    if (piece) pieces.push(piece as Uint8Array<ArrayBuffer>);
  });
  for (const { name, bytes } of files) {
    // Weights hardly get smaller; words do.
    const path = `${folder}/${name}`;
    const entry = name.endsWith(".safetensors")
      ? new ZipPassThrough(path)
      : new ZipDeflate(path, { level: 6 });
    zip.add(entry);
    for (let at = 0; at < bytes.length || at === 0; at += PIECE) {
      entry.push(bytes.slice(at, at + PIECE), at + PIECE >= bytes.length);
      await breathe();
    }
  }
  zip.end();
  if (failure) throw failure;
  return new Blob(pieces, { type: "application/zip" });
};

/** The files of a run that a zip holds, by their names in the run's folder; null where it holds none. */
export const unpack = async (file: Blob): Promise<{ names: string[]; parts: Uint8Array[] } | null> => {
  const found = new Map<string, Uint8Array[]>();
  let failure: Error | null = null;
  const unzip = new Unzip((entry) => {
    if (entry.name.endsWith("/")) return;
    const pieces: Uint8Array[] = [];
    found.set(entry.name, pieces);
    entry.ondata = (error, piece) => {
      failure ??= error;
      if (piece) pieces.push(piece);
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  for (let at = 0; at < file.size; at += PIECE) {
    const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
    unzip.push(piece, at + PIECE >= file.size);
    if (failure) throw failure;
  }
  const run = arrange([...found.keys()]);
  if (!run || run.roots > 1) return null;
  const names: string[] = [];
  const parts: Uint8Array[] = [];
  for (const [path, pieces] of found) {
    const name = relative(path, run.root);
    if (name === null) continue;
    names.push(name);
    parts.push(new Uint8Array(await new Blob(pieces as Uint8Array<ArrayBuffer>[]).arrayBuffer()));
  }
  return { names, parts };
};
