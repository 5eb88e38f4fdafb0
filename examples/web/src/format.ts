// Numbers as people read them, in the page's own language.
const LANGUAGE = "en";

const plain = new Intl.NumberFormat(LANGUAGE);
const short = new Intl.NumberFormat(LANGUAGE, { maximumSignificantDigits: 3 });

export const count = (n: number) => plain.format(Math.round(n));
export const figure = (n: number) => short.format(n);
export const loss = (n: number | null | undefined) => (n == null ? "–" : n.toFixed(3));
export const percent = (p: number) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`;

export const rate = (n: number | null) =>
  n === null ? "–" : n >= 1000 ? count(Math.round(n / 10) * 10) : figure(n);

export const bytes = (n: number) => {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 ? plain.format(n) : short.format(n)} ${units[unit]}`;
};

export const duration = (seconds: number) => {
  if (seconds < 0.001) return `${short.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short.format(seconds * 1e3)} ms`;
  if (seconds < 90) return `${seconds < 10 ? short.format(seconds) : Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${short.format(seconds / 3600)} h`;
};

/** A piece of text on one line, with what cannot be seen made visible. */
export const visible = (text: string) =>
  text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍").replaceAll(" ", "␣");
