import { signal } from "@preact/signals";
import { loss, percent, visible } from "../format.ts";
import type { LookInfo } from "../messages.ts";
import { strings } from "../strings.ts";
import { Table } from "./parts.tsx";

const words = strings.look;
/** Nats at which a token is as surprising as can be shown. */
const MOST = 5;
const LEVELS = 5;
const pointed = signal<number | null>(null);

const levelOf = (nats: number | null) =>
  nats === null ? 0 : Math.min(LEVELS, Math.round((LEVELS * nats) / MOST));

const readout = ({ tokens, losses }: LookInfo, at: number) => {
  const nats = losses[at];
  return nats == null
    ? `${visible(tokens[at]!)}: ${words.first}.`
    : words.readout(visible(tokens[at]!), loss(nats), percent(Math.exp(-nats)));
};

/** The text, each token marked by its loss: by colour, and by the weight of the line below it. */
export const Surprise = ({ look }: { look: LookInfo }) => {
  const at = pointed.value !== null && pointed.value < look.tokens.length ? pointed.value : null;
  return (
    <section>
      <h3>{words.surprise}</h3>
      <p class="help">{words.surpriseHelp}</p>
      <p class="marked">
        {look.tokens.map((token, i) => (
          <span
            key={i}
            class={`level-${levelOf(look.losses[i]!)}`}
            onPointerEnter={() => (pointed.value = i)}
          >
            {token === "\n" ? "↵\n" : token}
          </span>
        ))}
      </p>
      <p class="scale" aria-hidden="true">
        {words.scale[0]}
        {Array.from({ length: LEVELS + 1 }, (_, i) => (
          <span key={i} class={`level-${i}`}>
            {"\u00a0"}
          </span>
        ))}
        {words.scale[1]}
      </p>
      {at !== null && <p class="help">{readout(look, at)}</p>}
      <details>
        <summary>{strings.asTable}</summary>
        <Table
          label={words.surprise}
          columns={[words.token, words.loss, words.probability]}
          rows={look.tokens.map((token, i) => {
            const nats = look.losses[i];
            return [visible(token), loss(nats), nats == null ? "–" : percent(Math.exp(-nats))];
          })}
        />
      </details>
    </section>
  );
};
