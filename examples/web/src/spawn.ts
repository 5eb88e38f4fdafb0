import url from "./worker.ts?worker&url";

/** A worker by its name: `cpu` or `gpu` for the run, `cpu-probe` or `gpu-probe` to time a step. */
export const spawn = (name: string) => new Worker(url, { type: "module", name });
