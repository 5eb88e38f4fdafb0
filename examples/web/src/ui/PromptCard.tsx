import { signal } from "@preact/signals";
import { failed } from "../commands.ts";
import * as machine from "../machine.ts";
import { workerReady } from "../state.ts";
import { strings } from "../strings.ts";
import { lookText } from "../look.ts";
import * as ask from "../ask.ts";
import { Button, Card, Slider } from "./parts.tsx";

const words = strings.prompt;
const going = signal<number | null>(null);

const write = async () => {
  const prompt = ask.prompt.value;
  ask.output.value = "";
  ask.end.value = "";
  const { id, answer } = machine.client().ask(
    {
      type: "generate",
      prompt,
      tokens: ask.tokens.value,
      temperature: ask.temperature.value,
      top_k: ask.topK.value,
      seed: ask.nextSeed(),
    },
    [],
    (reply) => {
      if (reply.type === "token") ask.output.value += reply.text;
    },
  );
  going.value = id;
  try {
    const { tokens, end } = await answer;
    ask.end.value = words.end(tokens, end);
    lookText.value = prompt + ask.output.value;
  } catch (reason) {
    failed(reason);
  } finally {
    going.value = null;
  }
};

const cancel = () => machine.client().send({ type: "cancel", id: going.value! });

const Output = () =>
  ask.output.value || going.value !== null ? (
    <div role="region" aria-label={words.output} class="sample" tabIndex={0}>
      <b>{ask.asked.value}</b>
      {ask.output.value}
    </div>
  ) : null;

export const PromptCard = () => (
  <Card name="prompt" title={words.title}>
    <div class="field">
      <label for="prompt">{words.label}</label>
      <textarea
        id="prompt"
        rows={2}
        value={ask.prompt.value}
        onInput={({ currentTarget }) => (ask.prompt.value = currentTarget.value)}
      />
    </div>
    <div class="sliders">
      <Slider
        label={words.temperature}
        help={words.temperatureHelp}
        min={0}
        max={2}
        step={0.05}
        value={ask.temperature.value}
        onValue={(n) => (ask.temperature.value = n)}
      />
      <Slider
        label={words.tokens}
        min={10}
        max={500}
        step={10}
        value={ask.tokens.value}
        onValue={(n) => (ask.tokens.value = n)}
      />
      <Slider
        label={words.topK}
        help={words.topKHelp}
        min={0}
        max={50}
        step={1}
        value={ask.topK.value}
        onValue={(n) => (ask.topK.value = n)}
      />
    </div>
    <Button
      kind="primary"
      off={!workerReady.value}
      onPress={() => {
        if (going.value !== null) return cancel();
        ask.asked.value = ask.prompt.value;
        return write();
      }}
    >
      {going.value === null ? words.write : words.stop}
    </Button>
    <Output />
    <p class="help" role="status">
      {going.value === null ? ask.end.value : words.writing}
    </p>
  </Card>
);
