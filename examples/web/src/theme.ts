import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
export const THEMES: Theme[] = ["auto", "light", "dark"];
const STORE = "hearth-theme";

const load = (): Theme => {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(STORE)) ?? "auto";
  } catch {
    return "auto";
  }
};

export const theme = signal<Theme>(load());
/** Counts changes of colours, whoever makes them, so that canvases draw anew. */
export const colours = signal(0);

export const watch = () => {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    try {
      localStorage.setItem(STORE, theme.value);
    } catch {
      // Then it holds for this visit.
    }
    colours.value = colours.peek() + 1;
  });
  const changed = () => (colours.value = colours.peek() + 1);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  matchMedia("(forced-colors: active)").addEventListener("change", changed);
};
