import { signal } from "@preact/signals";
import { samples } from "../curve.ts";
import { strings } from "../strings.ts";
import { Button, Card, Slider } from "./parts.tsx";

const words = strings.samples;
/** The sample that a person went to; null follows the newest. */
const chosen = signal<number | null>(null);

export const SamplesCard = () => {
  const all = samples.value;
  const newest = all.length - 1;
  const at = Math.min(chosen.value ?? newest, newest);
  const sample = all[at];
  const go = (n: number) => (chosen.value = n >= newest ? null : Math.max(0, n));
  if (!sample) return null;
  return (
    <Card name="samples" title={words.title}>
      {all.length > 1 && (
        <div class="timeline">
          <Button kind="quiet" label={words.earlier} off={at === 0} onPress={() => go(at - 1)}>
            ‹
          </Button>
          <Slider
            label={words.slider}
            min={0}
            max={newest}
            step={1}
            value={at}
            text={words.at(sample.step)}
            onValue={go}
          />
          <Button kind="quiet" label={words.later} off={at === newest} onPress={() => go(at + 1)}>
            ›
          </Button>
        </div>
      )}
      {all.length === 1 && <p class="help">{words.at(sample.step)}</p>}
      <pre class="sample" tabIndex={0} role="region" aria-label={words.at(sample.step)}>
        {/* One that begins with a new line would begin with an empty one. */}
        <b>{sample.prompt.replace(/^\n/, "")}</b>
        {sample.text}
      </pre>
    </Card>
  );
};
