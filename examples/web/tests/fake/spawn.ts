// In place of `src/spawn.ts` in mode "fake": the fake worker, told by its name what the page's query asks of it. What it
// "stores" is kept in localStorage, so that it outlives workers and reloads as the browser's file system does.
import url from "./worker.ts?worker&url";

const STORE = "fake-run";
new BroadcastChannel("fake-store").onmessage = ({ data }) => {
  if (data === null) localStorage.removeItem(STORE);
  else localStorage.setItem(STORE, data);
};

export const spawn = (name: string) => {
  const query = new URLSearchParams(location.search);
  query.set("kept", localStorage.getItem(STORE) ?? "");
  return new Worker(url, { type: "module", name: `${name}?${query}` });
};
