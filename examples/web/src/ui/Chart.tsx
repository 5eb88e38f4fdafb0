import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { curve, thin, version } from "../curve.ts";
import { loss } from "../format.ts";
import { draw } from "../picture.ts";
import { tokenCount } from "../state.ts";
import { strings } from "../strings.ts";
import { Table } from "./parts.tsx";

const words = strings.chart;
/** Redrawn at most so often: the eye needs no more, and the page stays free. */
const REDRAW_MS = 200;
const TABLE_ROWS = 60;

const Key = ({ name, label, value }: { name: string; label: string; value?: string }) => (
  <li>
    <svg class={`key key-${name}`} viewBox="0 0 28 8" aria-hidden="true">
      <line x1="0" y1="4" x2="28" y2="4" />
    </svg>
    {label}
    {value && <b>{value}</b>}
  </li>
);

const Legend = () => {
  const counts = tokenCount.value;
  return (
    <ul class="legend plain">
      <Key name="train" label={words.train} />
      <Key name="validation" label={words.validation} />
      {counts && <Key name="uniform" label={words.uniform} value={loss(counts.uniform)} />}
      {counts && <Key name="bigram" label={words.bigram} value={loss(counts.bigram)} />}
    </ul>
  );
};

const rows = () => {
  const validation = new Map(curve.evaluations.map((p) => [p.step, p.loss]));
  const steps = new Map([...curve.evaluations, ...thin(curve.train, TABLE_ROWS)].map((p) => [p.step, p]));
  const train = new Map(curve.train.map((p) => [p.step, p.loss]));
  return [...steps.keys()]
    .sort((a, b) => a - b)
    .map((at) => [at, loss(train.get(at)), loss(validation.get(at))]);
};

const description = () => {
  const [first, final] = [curve.train[0], curve.train[curve.train.length - 1]];
  const validation = curve.evaluations[curve.evaluations.length - 1];
  if (!first || !final) return words.none;
  return words.description(
    final.step,
    loss(first.loss),
    loss(final.loss),
    validation ? loss(validation.loss) : null,
  );
};

const CurveTable = () => {
  void version.value;
  return <Table label={words.title} columns={[words.steps, words.train, words.validation]} rows={rows()} />;
};

/** The figures as a table, which is made only while it is open. */
const Listed = () => {
  const open = useSignal(false);
  return (
    <details onToggle={({ currentTarget }) => (open.value = currentTarget.open)}>
      <summary>{strings.asTable}</summary>
      {open.value && <CurveTable />}
    </details>
  );
};

/** Points that one line is drawn with: more than a screen has columns say nothing more. */
const MOST_POINTS = 1000;
const HEIGHT = 320;

const picture = (width: number) => {
  const counts = tokenCount.peek();
  const levels = counts
    ? [
        { loss: counts.uniform, label: words.uniform, attributes: 'class="key-uniform"' },
        { loss: counts.bigram, label: words.bigram, attributes: 'class="key-bigram"' },
      ]
    : [];
  const lines = [
    { points: thin(curve.train, MOST_POINTS), attributes: 'class="key-train"' },
    { points: thin(curve.evaluations, MOST_POINTS), attributes: 'class="key-validation"', dots: true },
  ];
  return draw(
    lines,
    levels,
    { width, height: HEIGHT },
    { x: words.steps, y: words.loss, title: description() },
  );
};

export const Chart = () => {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const redraw = () => {
      timer = null;
      // Set here and not by the component, which need not look at a thousand points again.
      if (host.current) host.current.innerHTML = picture(Math.max(280, host.current.clientWidth));
    };
    const soon = () => (timer ??= setTimeout(redraw, REDRAW_MS));
    const stop = effect(() => {
      void [version.value, tokenCount.value];
      soon();
    });
    const resized = new ResizeObserver(soon);
    resized.observe(host.current!);
    redraw();
    return () => {
      stop();
      resized.disconnect();
      if (timer) clearTimeout(timer);
    };
  }, []);
  return (
    <figure class="chart">
      <figcaption class="visually-hidden">{words.title}</figcaption>
      <Legend />
      <div class="plot" ref={host} />
      <Listed />
    </figure>
  );
};
