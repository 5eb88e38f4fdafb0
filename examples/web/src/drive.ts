// The run's folder in the Origin Private File System of this browser. Names are `FOLDER/FILE` or `FILE` below it.
// Errors keep the name that the browser gave them (`QuotaExceededError`), by which the module tells them apart.
import type { StorageState } from "./messages.ts";

const FOLDER = "hearth-run";
const LOCK = "hearth-run";
/** A page that was reloaded gives its lock back a moment after the new one asks. */
const TRIES = 15;
const BETWEEN_TRIES_MS = 100;

const tryLock = () =>
  new Promise<boolean>((resolve, reject) => {
    navigator.locks
      .request(LOCK, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        // Held for as long as the worker lives.
        return lock ? new Promise<never>(() => {}) : undefined;
      })
      .catch(reject);
  });

const root = async () => {
  const origin = await navigator.storage.getDirectory();
  return origin.getDirectoryHandle(FOLDER, { create: true });
};

/** Whether the handles that a worker writes with are there: private windows of some browsers have none. */
const works = async () => {
  await root();
  return (
    typeof FileSystemFileHandle !== "undefined" && "createSyncAccessHandle" in FileSystemFileHandle.prototype
  );
};

const lock = async (): Promise<StorageState> => {
  try {
    if (!(await works())) return "unavailable";
    for (let i = 0; i < TRIES; i++) {
      if (await tryLock()) {
        void navigator.storage.persist?.().catch(() => false);
        return "ready";
      }
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
    }
    return "other_tab";
  } catch {
    return "unavailable";
  }
};

const walk = async (folder: FileSystemDirectoryHandle, prefix: string): Promise<string[]> => {
  const names: string[] = [];
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === "file") names.push(prefix + name);
    else names.push(...(await walk(handle as FileSystemDirectoryHandle, `${prefix}${name}/`)));
  }
  return names;
};

const list = async () => (await walk(await root(), "")).sort();

/** The folder that holds `name`, and the last part of it. */
const place = async (name: string, create: boolean) => {
  const parts = name.split("/");
  const last = parts.pop()!;
  let folder = await root();
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create });
  return { folder, last };
};

const read = async (name: string): Promise<Uint8Array> => {
  const { folder, last } = await place(name, false);
  const file = await (await folder.getFileHandle(last)).getFile();
  return new Uint8Array(await file.arrayBuffer());
};

const write = async (name: string, bytes: Uint8Array): Promise<void> => {
  const { folder, last } = await place(name, true);
  const handle = await (await folder.getFileHandle(last, { create: true })).createSyncAccessHandle();
  try {
    handle.truncate(0);
    for (let at = 0; at < bytes.byteLength;) {
      const written = handle.write(bytes.subarray(at) as Uint8Array<ArrayBuffer>, { at });
      if (written === 0) throw new DOMException(`no room for ${name}`, "QuotaExceededError");
      at += written;
    }
    handle.flush();
  } finally {
    handle.close();
  }
};

const remove = async (name: string): Promise<void> => {
  try {
    const { folder, last } = await place(name, false);
    await folder.removeEntry(last, { recursive: true });
  } catch (error) {
    if ((error as DOMException).name !== "NotFoundError") throw error;
  }
};

export const drive = { lock, list, read, write, remove };

const none = async (): Promise<never> => {
  throw new DOMException("this worker has no drive", "NotAllowedError");
};

export const noDrive: typeof drive = {
  lock: async () => "unavailable",
  list: async () => [],
  read: none,
  write: none,
  remove: async () => {},
};
