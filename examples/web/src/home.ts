// What goes home from a run: the zip of its folder, its weights, its picture.
import { failed, files } from "./commands.ts";
import { curve } from "./curve.ts";
import { draw } from "./picture.ts";
import * as state from "./state.ts";
import { strings } from "./strings.ts";
import { signal } from "@preact/signals";

/** The command that goes on natively, once the worker has told it. */
export const command = signal<string | null>(null);
export const packing = signal(false);

const offer = (name: string, blob: Blob) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The download has begun by then; a minute is for slow disks.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const PAINT = { train: "#c2410c", validation: "#1d4ed8", level: "#57534e" };

/** The picture of the run, which stands alone: its colours are in it. */
export const picture = (): string => {
  const { chart } = strings;
  const counts = state.tokenCount.value;
  const levels = counts
    ? [
        {
          loss: counts.uniform,
          label: chart.uniform,
          attributes: `stroke="${PAINT.level}" stroke-dasharray="2 5"`,
        },
        {
          loss: counts.bigram,
          label: chart.bigram,
          attributes: `stroke="${PAINT.level}" stroke-dasharray="9 4 2 4"`,
        },
      ]
    : [];
  const lines = [
    { points: curve.train, attributes: `stroke="${PAINT.train}" stroke-width="1.2"` },
    {
      points: curve.evaluations,
      attributes: `stroke="${PAINT.validation}" stroke-width="2.5" stroke-dasharray="8 4"`,
      dots: true,
    },
  ];
  const title = chart.pictureTitle(state.step.value);
  const svg = draw(lines, levels, { width: 900, height: 460 }, { x: chart.steps, y: chart.loss, title });
  return svg.replace("<svg ", '<svg color="#1c1917" ');
};

const folder = () => `hearth-run-${state.step.value}`;

const busyWith = async (work: () => Promise<void>) => {
  packing.value = true;
  try {
    await work();
  } catch (reason) {
    failed(reason);
  } finally {
    packing.value = false;
  }
};

export const takeHome = () =>
  busyWith(async () => {
    const { names, parts, command: words } = await files();
    command.value = words;
    const { pack } = await import("./zip.ts");
    const all = names.map((name, i) => ({ name, bytes: parts[i]! }));
    const svg = { name: "loss.svg", bytes: new TextEncoder().encode(picture()) };
    offer(`${folder()}.zip`, await pack(folder(), [...all.filter(({ name }) => name !== svg.name), svg]));
  });

export const takeWeights = () =>
  busyWith(async () => {
    const { names, parts } = await files();
    const newest = names
      .filter((name) => name.endsWith("model.safetensors"))
      .sort()
      .pop();
    if (newest === undefined) throw new Error(strings.home.noWeights);
    offer("model.safetensors", new Blob([parts[names.indexOf(newest)] as Uint8Array<ArrayBuffer>]));
  });

export const takePicture = () => offer("loss.svg", new Blob([picture()], { type: "image/svg+xml" }));
