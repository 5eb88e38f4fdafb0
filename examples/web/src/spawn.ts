import url from "./worker.ts?worker&url";

// A worker from an address has that response's policy, which a plain static server does not send. One from a blob has the
// page's own: it, too, can connect to nowhere else.
const frame = new Blob([`import ${JSON.stringify(new URL(url, location.href).href)};`], {
  type: "text/javascript",
});
const address = URL.createObjectURL(frame);

/** A worker by its name: `cpu` or `gpu` for the run, `cpu-probe` or `gpu-probe` to time a step. */
export const spawn = (name: string) => new Worker(address, { type: "module", name });
