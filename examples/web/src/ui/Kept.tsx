import { failed, forget, goOn } from "../commands.ts";
import { busy, kept, settings, storage, text, workerReady } from "../state.ts";
import { strings } from "../strings.ts";
import { takeHome } from "../home.ts";
import { Button } from "./parts.tsx";

const words = strings.kept;

/** The run that waits: stored by an earlier visit, or brought. */
export const Kept = () => {
  const run = kept.value;
  if (!run || busy.value || !workerReady.value) return null;
  const target = run.step < run.steps ? run.steps : run.step + Math.max(settings.value.steps, 1);
  return (
    <section class="card kept" aria-labelledby="title-kept">
      <div>
        <h2 id="title-kept">{words.title}</h2>
        <p>
          {words.words(run.step, run.parameters)}
          {run.seconds > 0 && words.took(run.seconds)}.{" "}
          {storage.value === "ready" ? words.stored : words.inTab}
        </p>
        {!run.has_text && <p>{words.noText}</p>}
        {run.notes.map((note) => (
          <p key={note} class="help">
            {note}
          </p>
        ))}
        {!run.is_plain && (
          <details>
            <summary>{words.notPlain}</summary>
            <pre tabIndex={0}>{run.config}</pre>
          </details>
        )}
      </div>
      <div class="row">
        <Button kind="primary" off={!run.has_text && !text.value} onPress={() => goOn(target).catch(failed)}>
          {words.goOn(target)}
        </Button>
        <Button onPress={takeHome}>{strings.home.zip}</Button>
        <Button kind="quiet" onPress={forget}>
          {words.forget}
        </Button>
      </div>
    </section>
  );
};
