import { given, isLocked } from "../address.ts";
import { choosePreset } from "../commands.ts";
import { accepted, type Key, MAIN, MORE, PRESETS, RANGES } from "../settings.ts";
import { busy, chosenPreset, settings } from "../state.ts";
import { strings } from "../strings.ts";
import { Card, LockedNote } from "./parts.tsx";
import { PlanView } from "./PlanView.tsx";

const words = strings.model;

const set = (key: Key, value: string | number) => {
  chosenPreset.value = null;
  settings.value = { ...settings.value, [key]: value };
};

const control = (name: Key, help: string, disabled: boolean) => {
  const value = settings.value[name];
  const common = { id: `field-${name}`, disabled, "aria-describedby": help };
  if (name === "tokenizer") {
    return (
      <select {...common} value={value} onChange={({ currentTarget }) => set(name, currentTarget.value)}>
        <option value="char">{words.char}</option>
        <option value="byte">{words.byte}</option>
      </select>
    );
  }
  if (name === "prompt") {
    return (
      <input
        {...common}
        type="text"
        maxLength={500}
        value={value}
        onInput={({ currentTarget }) => set(name, currentTarget.value)}
      />
    );
  }
  return (
    <input
      {...common}
      type="number"
      inputMode="decimal"
      {...RANGES[name]}
      step={RANGES[name]!.step < 1 ? "any" : RANGES[name]!.step}
      value={value}
      onChange={({ currentTarget }) => {
        const n = accepted(name, currentTarget.value);
        if (n === null) currentTarget.value = String(settings.value[name]);
        else set(name, n);
      }}
    />
  );
};

const Field = ({ name }: { name: Key }) => {
  const { label, help } = words.fields[name];
  const off = busy.value || isLocked("model") || isLocked(name);
  const range = RANGES[name];
  return (
    <div class="field">
      <label for={`field-${name}`}>{label}</label>
      {control(name, `help-${name}`, off)}
      <small id={`help-${name}`} class="help">
        {isLocked(name) ? strings.byTeacher : help}
        {name.endsWith("_every") && ` ${words.never}.`}
        {range && <span class="visually-hidden"> {words.range(range.min, range.max)}</span>}
      </small>
    </div>
  );
};

const Presets = () => (
  <fieldset class="presets" disabled={busy.value || isLocked("model") || isLocked("steps")}>
    <legend>{words.presets}</legend>
    <div class="choices">
      {PRESETS.map((name) => (
        <label key={name} class="choice">
          <input
            type="radio"
            name="preset"
            checked={chosenPreset.value === name}
            onChange={() => choosePreset(name)}
          />
          <span>
            <strong>{words.preset[name].label}</strong>
            <small>{words.preset[name].help}</small>
          </span>
        </label>
      ))}
    </div>
    {chosenPreset.value === null && <p class="help">{words.own}</p>}
  </fieldset>
);

export const ModelCard = () => (
  <Card name="model" title={words.title} number={2}>
    <Presets />
    {isLocked("model") && <LockedNote />}
    <details open={given}>
      <summary>{words.more}</summary>
      <div class="fields">
        {[...MAIN, ...MORE].map((name) => (
          <Field key={name} name={name} />
        ))}
      </div>
    </details>
    {busy.value && <p class="help">{words.whileTraining}</p>}
    <PlanView />
  </Card>
);
