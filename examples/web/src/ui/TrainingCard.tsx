import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { failed, goOn, pause, resume, save, start, step, stop } from "../commands.ts";
import { last, recentSeconds, curve } from "../curve.ts";
import { bytes, duration, loss, rate } from "../format.ts";
import * as state from "../state.ts";
import { strings } from "../strings.ts";
import { Chart } from "./Chart.tsx";
import { Button, Card, Fact } from "./parts.tsx";

const words = strings.run;
const more = signal(100);

/** One button for the way on, so that the focus stays where it is when the state changes. */
const Primary = () => {
  const now = state.state.value;
  const startable = state.workerReady.value && state.text.value !== null && !state.plan.value?.refused;
  const checking = state.certifying.value !== null;
  if (now === "training" || now === "pausing") {
    return (
      <Button key="primary" kind="primary" off={now === "pausing"} onPress={pause}>
        {words.pause}
      </Button>
    );
  }
  if (now === "paused")
    return (
      <Button key="primary" kind="primary" onPress={resume}>
        {words.resume}
      </Button>
    );
  const going = now === "starting" || now === "stopping";
  const anew = now === "done" || now === "failed";
  return (
    <Button
      key="primary"
      kind="primary"
      off={going || !startable || checking}
      onPress={() => start().catch(failed)}
    >
      {anew ? words.startAnew : words.start}
    </Button>
  );
};

const GoOn = () => (
  <form
    class="go-on"
    onSubmit={(event) => {
      event.preventDefault();
      goOn(state.step.value + more.value).catch(failed);
    }}
  >
    <label for="more">{words.more}</label>
    <input
      id="more"
      type="number"
      min={1}
      max={1_000_000}
      value={more.value}
      onChange={({ currentTarget }) =>
        (more.value = Math.max(1, Math.round(currentTarget.valueAsNumber) || 1))
      }
    />
    <button class="button" type="submit">
      {words.goOn}
    </button>
  </form>
);

const Controls = () => {
  const now = state.state.value;
  const running = now === "training" || now === "paused";
  return (
    <div class="controls">
      <div class="row">
        <Primary />
        <Button off={now !== "paused"} onPress={() => step(1)}>
          {words.step}
        </Button>
        <Button off={!running} onPress={stop}>
          {words.stop}
        </Button>
        <Button off={!running} onPress={save}>
          {words.save}
        </Button>
      </div>
      {now === "done" && !state.kept.value && <GoOn />}
    </div>
  );
};

const left = () => {
  const seconds = recentSeconds();
  const rest = state.steps.value - state.step.value;
  return seconds === null || rest <= 0 || !state.busy.value ? "–" : duration(seconds * rest);
};

const Figures = () => (
  <dl class="stats">
    <Fact name={words.figures.loss}>{loss(last.value?.loss)}</Fact>
    <Fact name={words.figures.speed}>{rate(state.tokensPerSecond.value)}</Fact>
    <Fact name={words.figures.left}>{left()}</Fact>
    <Fact name={words.figures.memory}>
      {state.memoryBytes.value === null ? "–" : bytes(state.memoryBytes.value)}
    </Fact>
  </dl>
);

/** Seconds between two sentences to those who listen. */
const SUMMARY_SECONDS = 10;
const summary = signal("");

const summarize = () => {
  if (state.state.value !== "training" || !last.value) return;
  const validation = curve.evaluations[curve.evaluations.length - 1];
  summary.value = words.summary(
    state.step.value,
    state.steps.value,
    loss(last.value.loss),
    validation ? loss(validation.loss) : null,
    rate(state.tokensPerSecond.value),
  );
};

const stateWords = () => {
  if (!state.workerReady.value && state.state.value === "idle") return words.loading;
  const checking = state.certifying.value;
  return checking ? strings.device.checking(checking.done, checking.of) : words.states[state.state.value];
};

const Progress = () => (
  <div class="progress">
    <progress
      aria-label={words.progressLabel}
      max={Math.max(1, state.steps.value)}
      value={state.step.value}
    />
    <span>{words.progress(state.step.value, state.steps.value)}</span>
  </div>
);

export const TrainingCard = () => {
  useEffect(() => {
    const timer = setInterval(summarize, SUMMARY_SECONDS * 1000);
    return () => clearInterval(timer);
  }, []);
  const begun = last.value !== null || state.busy.value;
  return (
    <div id="training" tabIndex={-1}>
      <Card
        name="training"
        title={words.title}
        aside={
          <p class={`state state-${state.state.value}`} role="status">
            {stateWords()}
          </p>
        }
      >
        <Controls />
        {begun && <Progress />}
        {begun && <Figures />}
        {state.saved.value && (
          <p class="help">
            {words.saved(state.saved.value.step, state.saved.value.bytes, state.saved.value.stored)}
          </p>
        )}
        {state.notes.value.length > 0 && (
          <div class="notes" role="log" aria-label={words.notes}>
            {state.notes.value.map((note) => (
              <p key={note}>{note}</p>
            ))}
          </div>
        )}
        {begun ? <Chart /> : <p class="before">{words.before}</p>}
        <p class="visually-hidden" role="status">
          {summary.value}
        </p>
      </Card>
    </div>
  );
};
