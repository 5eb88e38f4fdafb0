// Our own worker, driven as the page drives it, without the page.
const WORKER = new URL(location.href).searchParams.get("worker");

/** A run of so many steps on the worker of a module; its steps' seconds, and what the worker says it trains on. */
export const hearth = (module, settings, text) =>
  new Promise((resolve, reject) => {
    // The worker of a probe is the same, without the browser's storage.
    const worker = new Worker(WORKER, { type: "module", name: `${module}-probe` });
    const seconds = [];
    const losses = [];
    const marks = [];
    let device, parameters, end;
    const started = performance.now();
    let firstStep;
    const send = (request, parts = []) => worker.postMessage({ request, parts });
    worker.onerror = (event) => reject(new Error(event.message || "the worker could not be loaded"));
    worker.onmessage = ({ data: { reply } }) => {
      if (reply.type === "ready") {
        device = reply.device;
        send({ type: "text", id: 1, name: "input.txt" }, [new TextEncoder().encode(text)]);
      } else if (reply.type === "text") {
        send({ type: "plan", id: 2, settings });
      } else if (reply.type === "plan") {
        parameters = reply.plan.parameters;
        if (reply.plan.refused) reject(new Error(reply.plan.refused));
        end = performance.now();
        send({ type: "start", settings });
      } else if (reply.type === "steps") {
        firstStep ??= performance.now() - end;
        for (const { step, seconds: at, loss } of reply.steps) {
          seconds[step] = at;
          losses[step] = loss;
        }
        marks.push({ step: seconds.length - 1, at: Date.now() });
      } else if (reply.type === "trouble") {
        reject(new Error(`${reply.trouble.kind}: ${reply.trouble.words}`));
      } else if (reply.type === "state" && reply.state === "done") {
        worker.terminate();
        resolve({
          seconds,
          losses,
          marks,
          device: device.name,
          parameters,
          firstStep,
          loaded: end - started,
        });
      } else if (reply.type === "state" && reply.state === "failed") {
        reject(new Error("the run failed"));
      }
    };
  });
