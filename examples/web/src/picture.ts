// Curves as SVG: the picture to take home, and the last runs in one frame. It needs no inline style, which the page forbids.
import type { Point } from "./curve.ts";

export type Line = { points: Point[]; attributes: string; dots?: boolean };
export type Level = { loss: number; attributes: string; label: string };
type Size = { width: number; height: number };

const MARGIN = { left: 52, right: 16, top: 16, bottom: 40 };

const escape = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Round values that cut a range into about `count` parts. */
export const ticks = (low: number, high: number, count: number): number[] => {
  const rough = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const stride = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough)!;
  const first = Math.ceil(low / stride - 1e-9);
  const marks: number[] = [];
  for (let i = first; i * stride <= high * (1 + 1e-9); i++) marks.push(Number((i * stride).toPrecision(12)));
  return marks;
};

export const draw = (
  lines: Line[],
  levels: Level[],
  size: Size,
  names: { x: string; y: string; title: string },
) => {
  const all = lines.flatMap(({ points }) => points);
  const values = [...all.map((p) => p.loss), ...levels.map((l) => l.loss)];
  const lastStep = all.reduce((most, p) => Math.max(most, p.step), 1);
  const low = Math.floor(2 * values.reduce((a, b) => Math.min(a, b), Infinity)) / 2 || 0;
  const high = Math.max(
    low + 0.5,
    values.reduce((a, b) => Math.max(a, b), 0),
  );
  const x = (s: number) => MARGIN.left + (s / lastStep) * (size.width - MARGIN.left - MARGIN.right);
  const y = (l: number) =>
    size.height - MARGIN.bottom - ((l - low) / (high - low)) * (size.height - MARGIN.top - MARGIN.bottom);
  const at = (p: Point) => `${x(p.step).toFixed(1)},${y(p.loss).toFixed(1)}`;
  const right = size.width - MARGIN.right;
  const parts = [
    ...ticks(low, high, 5).map(
      (v) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y(v)}" y2="${y(v)}" stroke="currentColor" stroke-opacity="0.12"/>` +
        `<text x="${MARGIN.left - 8}" y="${y(v) + 4}" text-anchor="end">${v}</text>`,
    ),
    ...ticks(0, lastStep, 6).map(
      (v) => `<text x="${x(v)}" y="${size.height - MARGIN.bottom + 18}" text-anchor="middle">${v}</text>`,
    ),
    `<text x="${(MARGIN.left + right) / 2}" y="${size.height - 4}" text-anchor="middle">${escape(names.x)}</text>`,
    `<text x="14" y="${size.height / 2}" text-anchor="middle" transform="rotate(-90 14 ${size.height / 2})">${escape(names.y)}</text>`,
    ...levels.map(
      (l) =>
        `<line x1="${MARGIN.left}" x2="${right}" y1="${y(l.loss)}" y2="${y(l.loss)}" fill="none" ${l.attributes}/>` +
        `<text x="${right - 4}" y="${y(l.loss) - 5}" text-anchor="end">${escape(l.label)}</text>`,
    ),
    ...lines
      .filter(({ points }) => points.length > 0)
      .map(
        ({ points, attributes, dots }) =>
          `<polyline fill="none" points="${points.map(at).join(" ")}" ${attributes}/>` +
          (dots
            ? points
                .map(
                  (p) =>
                    `<circle cx="${x(p.step).toFixed(1)}" cy="${y(p.loss).toFixed(1)}" r="2.5" ${attributes}/>`,
                )
                .join("")
            : ""),
      ),
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escape(names.title)}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="currentColor">${parts.join("")}</svg>`
  );
};
