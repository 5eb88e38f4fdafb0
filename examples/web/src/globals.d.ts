// What wasm-bindgen makes; its own types take precedence once it is built.
declare module "*/hearth_web.js" {
  export default function init(): Promise<unknown>;
  export function start(platform: object): void;
  export function receive(request: string, parts: Uint8Array[]): void;
}
declare module "*?head" {
  const text: string;
  export default text;
}

// TypeScript has these in its library of workers only, which cannot stand beside that of pages.
interface FileSystemSyncAccessHandle {
  truncate(size: number): void;
  write(bytes: Uint8Array<ArrayBuffer>, at: { at: number }): number;
  flush(): void;
  close(): void;
}
interface FileSystemFileHandle {
  createSyncAccessHandle(): Promise<FileSystemSyncAccessHandle>;
}
