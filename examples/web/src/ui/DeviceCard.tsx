import { isLocked } from "../address.ts";
import { ask, remembered } from "../certificate.ts";
import { chooseMachine, failed } from "../commands.ts";
import { rate } from "../format.ts";
import type { CertificateInfo } from "../messages.ts";
import { costOf } from "../settings.ts";
import {
  busy,
  certificate,
  certifying,
  type Kind,
  machine,
  machines,
  module,
  settings,
  storage,
} from "../state.ts";
import { strings } from "../strings.ts";
import { Button, Card, LockedNote, Table } from "./parts.tsx";

const words = strings.device;

const speedOf = (kind: Kind) => {
  const { speed } = machines[kind].value;
  return speed?.cost === costOf(settings.value) ? speed.tokensPerSecond : null;
};

const Remarks = ({ kind }: { kind: Kind }) => {
  const { status, info, why } = machines[kind].value;
  const [own, other] = [speedOf(kind), speedOf(kind === "cpu" ? "gpu" : "cpu")];
  if (status === "loading") return <small>{kind === "gpu" ? words.loading : words.loadingOwn}</small>;
  if (status === "absent") return <small>{why}</small>;
  if (status === "failed") return <small>{kind === "gpu" ? words.gpuFailed(why) : why}</small>;
  return (
    <small>
      {own !== null && words.speed(rate(own))}
      {own !== null && other !== null && own > other && <span class="tag">{words.faster}</span>}
      {info?.software && <span class="block">{words.software}</span>}
    </small>
  );
};

const Choice = ({ kind }: { kind: Kind }) => {
  const { status, info } = machines[kind].value;
  return (
    <label class="choice">
      <input
        type="radio"
        name="device"
        checked={module.value === kind}
        disabled={status === "absent" || status === "failed" || status === "loading"}
        onChange={() => chooseMachine(kind).catch(failed)}
      />
      <span>
        <strong>{words[kind]}</strong>
        {info && <span class="block">{info.name}</span>}
        <Remarks kind={kind} />
      </span>
    </label>
  );
};

/** An error that is no number is the worst of all. */
const error = (n: number | null) => n?.toExponential(1) ?? "NaN";

const Rows = ({ shown }: { shown: CertificateInfo }) => (
  <details>
    <summary>{words.certificate}</summary>
    <Table
      label={words.certificate}
      columns={words.columns}
      rows={shown.rows.map((row) => [
        row.model,
        error(row.loss_error),
        row.gradient,
        error(row.gradient_error),
        row.passed ? words.right : words.wrong,
      ])}
    />
  </details>
);

const Certificate = () => {
  const info = machine.value.info;
  if (module.value !== "gpu" || !info) return null;
  const shown = certificate.value ?? remembered(info);
  const going = certifying.value;
  return (
    <div class="certificate">
      <h3>{words.check}</h3>
      <p role="status">
        {going
          ? words.checking(going.done, going.of)
          : shown
            ? shown.passed
              ? words.passed
              : words.notPassed
            : words.checkHelp}
      </p>
      {!busy.value && (
        <Button off={going !== null} onPress={() => ask().catch(failed)}>
          {words.checkNow}
        </Button>
      )}
      {shown && <Rows shown={shown} />}
    </div>
  );
};

export const DeviceCard = () => (
  <Card name="device" title={words.title} number={3}>
    <fieldset disabled={busy.value || isLocked("device")}>
      <legend>{words.choose}</legend>
      <div class="choices stacked">
        <Choice kind="cpu" />
        <Choice kind="gpu" />
      </div>
    </fieldset>
    {isLocked("device") && <LockedNote />}
    {machine.value.info && machine.value.info.missing.length > 0 && (
      <>
        <h3>{words.lacks}</h3>
        <ul class="plain">
          {machine.value.info.missing.map((thing) => (
            <li key={thing}>{thing}</li>
          ))}
        </ul>
      </>
    )}
    <Certificate />
    {storage.value && <p class="help">{words.storage[storage.value]}</p>}
  </Card>
);
