// Time that threads had a core: where others use the machine too, it says more than the clock on the wall.
import { readFileSync, readdirSync } from "node:fs";

const SAMPLE_MS = 50;

/** Nanoseconds on a core of each thread of some processes. */
const threads = (pids) => {
  const found = new Map();
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        found.set(
          thread,
          Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
        );
      }
    } catch {
      // It has ended.
    }
  }
  return found;
};

/** Samples until it is stopped; then gives the seconds on a core of the busiest thread, or of all, between two times. */
export const sample = (pids) => {
  const samples = [];
  const take = () => samples.push({ at: Date.now(), threads: threads(pids) });
  take();
  const timer = setInterval(take, SAMPLE_MS);
  const value = (thread, time) => {
    const known = samples.filter(({ threads }) => threads.has(thread));
    const after = known.findIndex(({ at }) => at >= time);
    if (after < 1) return known.at(after)?.threads.get(thread) ?? 0;
    const [a, b] = [known[after - 1], known[after]];
    const share = (time - a.at) / (b.at - a.at);
    return a.threads.get(thread) + share * (b.threads.get(thread) - a.threads.get(thread));
  };
  return (from, to, ofAll) => {
    clearInterval(timer);
    take();
    const all = new Set(samples.flatMap(({ threads }) => [...threads.keys()]));
    const spent = [...all].map((thread) => value(thread, to) - value(thread, from));
    return (ofAll ? spent.reduce((a, b) => a + b, 0) : Math.max(...spent)) / 1e9;
  };
};
