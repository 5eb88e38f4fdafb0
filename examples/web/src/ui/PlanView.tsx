import { bytes, count, duration } from "../format.ts";
import type { PlanInfo } from "../messages.ts";
import { costOf } from "../settings.ts";
import { machine, plan, probing, settings } from "../state.ts";
import { strings } from "../strings.ts";
import { Fact, Table } from "./parts.tsx";

const words = strings.model;

const Parts = ({ info }: { info: PlanInfo }) => (
  <details>
    <summary>{words.byPart}</summary>
    <Table
      label={words.parameters}
      columns={[words.part, words.parameters]}
      rows={info.parts.map((part) => [part.name, count(part.parameters)])}
      foot={[words.sum, count(info.parameters)]}
    />
    <Table
      label={words.memory}
      columns={[words.part, words.memory]}
      rows={info.memory.map((part) => [part.name, bytes(part.bytes)])}
      foot={[words.sum, bytes(info.peak_bytes)]}
    />
    <p class="help">{info.step}</p>
  </details>
);

/** What the run takes, before it starts. */
export const PlanView = () => {
  const info = plan.value;
  const { speed } = machine.value;
  const measured = speed?.cost === costOf(settings.value) ? speed : null;
  const unmeasured = probing.value ? words.measuring : words.unknown;
  return (
    <div class="plan">
      <dl class="facts">
        <Fact name={words.parameters}>{info ? count(info.parameters) : words.unknown}</Fact>
        <Fact name={words.memory}>{info ? bytes(info.peak_bytes) : words.unknown}</Fact>
        <Fact name={words.perStep}>
          {info && `${words.tokensPerStep(info.tokens_per_step)}, `}
          {measured ? duration(measured.secondsPerStep) : unmeasured}
        </Fact>
        <Fact name={words.total}>
          {measured ? words.about(measured.secondsPerStep * settings.value.steps) : unmeasured}
        </Fact>
      </dl>
      {info?.refused && (
        <p class="refused" role="status">
          <strong>{words.refused}.</strong> {info.refused}
        </p>
      )}
      {info ? <Parts info={info} /> : <div class="to-come" />}
    </div>
  );
};
