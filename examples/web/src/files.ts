// Files that are dropped or chosen: whether they are a run's folder, a zip of one, or a text.
export type Entry = { path: string; file: File };
export type Found =
  | { kind: "run"; names: string[]; files: File[] }
  | { kind: "zip"; file: File }
  | { kind: "text"; files: Entry[] }
  | { kind: "runs"; count: number }
  | { kind: "none" };

const readAll = async (folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> => {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // The browser gives a hundred at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
};

const walk = async (entry: FileSystemEntry): Promise<Entry[]> => {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path, file }];
  }
  const below = await readAll(entry as FileSystemDirectoryEntry);
  return (await Promise.all(below.map(walk))).flat();
};

/** To be called while the drop is handled: what was dropped is gone afterwards. */
export const fromDrop = async (data: DataTransfer): Promise<Entry[]> => {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  if (entries.length === 0) return fromList(data.files);
  return (await Promise.all(entries.map(walk))).flat();
};

export const fromList = (files: Iterable<File>): Entry[] =>
  [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

const STEP = /^step-\d+$/;
const RUN_FILE =
  /^(config\.toml|metrics\.jsonl|tokenizer\.json|samples\.jsonl|input\.txt|text\.txt|model\.safetensors)$/;

/** The run's folder in a path: what stands before its `step-N`. */
const rootOf = (path: string): string | null => {
  const parts = path.split("/");
  const at = parts.findIndex((part) => STEP.test(part));
  return at < 0 || at === parts.length - 1 ? null : parts.slice(0, at).join("/");
};

/** Paths of a run's files relative to its folder, or what else the paths are. */
export const arrange = (paths: string[]): { root: string; roots: number } | null => {
  const roots = [...new Set(paths.map(rootOf).filter((root) => root !== null))];
  return roots.length === 0 ? null : { root: roots[0]!, roots: roots.length };
};

export const relative = (path: string, root: string): string | null => {
  const prefix = root === "" ? "" : `${root}/`;
  if (!path.startsWith(prefix)) return null;
  const name = path.slice(prefix.length);
  const [first, ...rest] = name.split("/");
  return rest.length > 0
    ? STEP.test(first!)
      ? name
      : null
    : RUN_FILE.test(name) || /\.txt$/.test(name)
      ? name
      : null;
};

const TEXT_NAME = /\.(txt|md|csv|tsv|json|jsonl|html?|xml|tex|srt|py|js|ts|rs|c|h|cpp|java|go|toml|ya?ml)$/i;

export const sort = (entries: Entry[]): Found => {
  const seen = entries.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
  if (seen.length === 0) return { kind: "none" };
  const run = arrange(seen.map(({ path }) => path));
  if (run && run.roots > 1) return { kind: "runs", count: run.roots };
  if (run) {
    const inside = seen.flatMap(({ path, file }) => {
      const name = relative(path, run.root);
      return name === null ? [] : [{ name, file }];
    });
    return { kind: "run", names: inside.map(({ name }) => name), files: inside.map(({ file }) => file) };
  }
  const zip = seen.find(({ path }) => /\.zip$/i.test(path));
  if (zip) return { kind: "zip", file: zip.file };
  const files = seen.length === 1 ? seen : seen.filter(({ path }) => TEXT_NAME.test(path));
  return files.length === 0 ? { kind: "none" } : { kind: "text", files };
};

export const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer());

/** Several files as one text, in the order of their names, a blank line between two. */
export const joined = async (files: Entry[]): Promise<Uint8Array> => {
  const ordered = [...files].sort((a, b) => a.path.localeCompare(b.path));
  const parts: Uint8Array[] = [];
  for (const { file } of ordered) {
    if (parts.length > 0) parts.push(new TextEncoder().encode("\n\n"));
    parts.push(await bytesOf(file));
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
};
