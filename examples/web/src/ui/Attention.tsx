import { useEffect, useRef } from "preact/hooks";
import { percent, visible } from "../format.ts";
import { head, layer, position } from "../look.ts";
import type { LookInfo } from "../messages.ts";
import { strings } from "../strings.ts";
import { colours } from "../theme.ts";
import { Select, Slider, Table } from "./parts.tsx";

const words = strings.look;
const LEVELS = 5;
/** Pixels of the map; it is scaled by the style sheet. */
const MAP = 320;

const paint = (canvas: HTMLCanvasElement, weights: number[][], row: number) => {
  const context = canvas.getContext("2d")!;
  const cell = MAP / weights.length;
  context.clearRect(0, 0, MAP, MAP);
  context.fillStyle = getComputedStyle(canvas).color;
  weights.forEach((line, y) =>
    line.forEach((weight, x) => {
      // The root shows what is small, too.
      context.globalAlpha = Math.sqrt(Math.min(1, weight));
      context.fillRect(x * cell, y * cell, Math.ceil(cell), Math.ceil(cell));
    }),
  );
  context.globalAlpha = 1;
  context.strokeStyle = getComputedStyle(canvas).outlineColor;
  context.lineWidth = 2;
  context.strokeRect(1, row * cell + 1, MAP - 2, Math.max(2, cell - 2));
};

const Map = ({ weights, row }: { weights: number[][]; row: number }) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colour = colours.value;
  useEffect(() => {
    const frame = requestAnimationFrame(() => canvas.current && paint(canvas.current, weights, row));
    return () => cancelAnimationFrame(frame);
  }, [weights, row, colour]);
  return (
    <canvas
      ref={canvas}
      class="map"
      width={MAP}
      height={MAP}
      role="img"
      aria-label={words.attentionMap(layer.value + 1, head.value + 1)}
      onClick={(event) => {
        const { top, height } = event.currentTarget.getBoundingClientRect();
        const at = Math.floor(((event.clientY - top) / height) * weights.length);
        position.value = Math.max(0, Math.min(weights.length - 1, at));
      }}
    />
  );
};

const numbers = (n: number) => Array.from({ length: n }, (_, i) => [i, String(i + 1)] as const);

/** Where one head looks: the whole map, and for one token the text with its weights. */
export const Attention = ({ look }: { look: LookInfo }) => {
  const weights = look.attention[layer.value]?.[head.value];
  if (!weights || weights.length === 0) return null;
  const row = Math.min(position.value, weights.length - 1);
  // A text longer than the context is looked at by its end.
  const tokens = look.tokens.slice(-weights.length);
  const line = weights[row]!;
  return (
    <section class="attention">
      <h3>{words.attention}</h3>
      <p class="help">{words.attentionHelp}</p>
      <div class="fields">
        <Select
          label={words.layer}
          value={layer.value}
          options={numbers(look.layers)}
          onValue={(v) => (layer.value = Number(v))}
        />
        <Select
          label={words.head}
          value={head.value}
          options={numbers(look.heads)}
          onValue={(v) => (head.value = Number(v))}
        />
      </div>
      <Slider
        label={words.position}
        min={0}
        max={weights.length - 1}
        step={1}
        value={row}
        text={words.chosen(row + 1, visible(tokens[row]!))}
        onValue={(n) => (position.value = n)}
      />
      <div class="attention-views">
        <Map weights={weights} row={row} />
        <p class="marked">
          {tokens.map((token, i) => (
            <span
              key={i}
              class={`${i > row ? "after" : `level-${Math.min(LEVELS, Math.round(LEVELS * Math.sqrt(line[i] ?? 0)))}`} ${i === row ? "chosen" : ""}`}
              onClick={() => (position.value = i)}
            >
              {token === "\n" ? "↵\n" : token}
            </span>
          ))}
        </p>
      </div>
      <details>
        <summary>{strings.asTable}</summary>
        <Table
          label={`${words.attention} ${words.chosen(row + 1, visible(tokens[row]!))}`}
          columns={[words.token, words.weight]}
          rows={line
            .slice(0, row + 1)
            .map((weight, i) => [`${i + 1} ${visible(tokens[i]!)}`, percent(weight)])}
        />
      </details>
    </section>
  );
};
