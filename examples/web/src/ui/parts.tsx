// The pieces that cards are made of.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { strings } from "../strings.ts";

type Children = { children?: ComponentChildren };

export const Card = (
  props: Children & { name: string; title: string; number?: number; aside?: ComponentChildren },
) => (
  <section class={`card card-${props.name}`} aria-labelledby={`title-${props.name}`}>
    <div class="card-head">
      <h2 id={`title-${props.name}`}>
        {props.number !== undefined && (
          <span class="number" aria-hidden="true">
            {props.number}
          </span>
        )}
        {props.title}
      </h2>
      {props.aside}
    </div>
    {props.children}
  </section>
);

type ButtonProps = Children & {
  onPress(): unknown;
  /** Not now: it keeps its place and the focus. */
  off?: boolean;
  kind?: "primary" | "quiet" | "danger";
  label?: string;
};

export const Button = ({ onPress, off, kind, label, children }: ButtonProps) => (
  <button
    type="button"
    class={`button ${kind ?? ""}`}
    aria-disabled={off ? "true" : undefined}
    aria-label={label}
    onClick={() => !off && onPress()}
  >
    {children}
  </button>
);

export const Fact = ({ name, children }: Children & { name: string }) => (
  <div class="fact">
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

/** A table that scrolls within itself where it is long, by keyboard, too. */
export const Table = (props: {
  label: string;
  columns: readonly string[];
  rows: (string | number)[][];
  foot?: (string | number)[];
}) => (
  <div class="table" role="region" aria-label={props.label} tabIndex={0}>
    <table>
      <thead>
        <tr>
          {props.columns.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map(([head, ...cells], i) => (
          <tr key={i}>
            <th scope="row">{head}</th>
            {cells.map((cell, j) => (
              <td key={j}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
      {props.foot && (
        <tfoot>
          <tr>
            <th scope="row">{props.foot[0]}</th>
            {props.foot.slice(1).map((cell, j) => (
              <td key={j}>{cell}</td>
            ))}
          </tr>
        </tfoot>
      )}
    </table>
  </div>
);

/** A file chooser that looks like a button and is one. */
export const Chooser = (
  props: Children & { onFiles(files: FileList): unknown; folder?: boolean; accept?: string; off?: boolean },
) => {
  const id = useId();
  return (
    <span class="chooser">
      <input
        id={id}
        type="file"
        class="visually-hidden"
        multiple={!props.folder && !props.accept}
        accept={props.accept}
        disabled={props.off}
        ref={(input) => {
          if (input && props.folder) input.webkitdirectory = true;
        }}
        onChange={({ currentTarget }) => {
          if (currentTarget.files?.length) props.onFiles(currentTarget.files);
          currentTarget.value = "";
        }}
      />
      <label for={id} class="button">
        {props.children}
      </label>
    </span>
  );
};

type SliderProps = {
  label: string;
  help?: string;
  min: number;
  max: number;
  step: number;
  value: number;
  text?: string;
  onValue(n: number): void;
};

/** A slider with its value beside it; arrow keys move it. */
export const Slider = ({ label, help, min, max, step, value, text, onValue }: SliderProps) => {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{text ?? value}</output>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-valuetext={text}
        aria-describedby={help ? `${id}-help` : undefined}
        onInput={({ currentTarget }) => onValue(currentTarget.valueAsNumber)}
      />
      {help && (
        <small id={`${id}-help`} class="help">
          {help}
        </small>
      )}
    </div>
  );
};

type SelectProps = {
  label: string;
  value: string | number;
  options: (readonly [string | number, string])[];
  onValue(value: string): void;
  off?: boolean;
};

export const Select = ({ label, value, options, onValue, off }: SelectProps) => {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={off}
        onChange={({ currentTarget }) => onValue(currentTarget.value)}
      >
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
};

export const LockedNote = () => <p class="help locked">{strings.byTeacher}</p>;
