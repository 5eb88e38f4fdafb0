import { loss } from "../format.ts";
import { differences, forget, past, type Past } from "../history.ts";
import { draw } from "../picture.ts";
import { strings } from "../strings.ts";
import { Button, Card } from "./parts.tsx";

const words = strings.runs;
/** Runs differ by dashes as well as by colour. */
const DASHES = ["", "8 4", "2 4", "12 4 2 4", "5 2"];

const curveOf = (run: Past) => (run.evaluations.length > 1 ? run.evaluations : run.train);

const labelOf = (key: string) =>
  key === "device"
    ? words.device
    : key === "text"
      ? words.text
      : strings.model.fields[key as keyof typeof strings.model.fields].label;

const picture = (runs: Past[]) =>
  draw(
    runs.map((run, i) => ({
      points: curveOf(run),
      attributes: `class="run-${i}" stroke-dasharray="${DASHES[i]}"`,
    })),
    [],
    { width: 720, height: 260 },
    { x: strings.chart.steps, y: strings.chart.loss, title: words.chart },
  );

const describe = ({ settings }: Past, different: [string, string][]) => {
  if (past.value.length === 1) return words.only(settings.layers, settings.width);
  if (different.length === 0) return words.same;
  return different.map(([key, value]) => `${labelOf(key)} ${value}`).join(", ");
};

const Row = ({ run, index, different }: { run: Past; index: number; different: [string, string][] }) => {
  const name = words.run(index + 1);
  const points = curveOf(run);
  return (
    <tr>
      <th scope="row">
        <svg class={`key run-${index}`} viewBox="0 0 28 8" aria-hidden="true">
          <line x1="0" y1="4" x2="28" y2="4" stroke-dasharray={DASHES[index]} />
        </svg>
        {name}
      </th>
      <td>{describe(run, different)}</td>
      <td>{run.step}</td>
      <td>{loss(points[points.length - 1]?.loss)}</td>
      <td>
        <Button kind="quiet" label={words.remove(name)} onPress={() => forget(run.id)}>
          ×
        </Button>
      </td>
    </tr>
  );
};

export const RunsCard = () => {
  const runs = past.value;
  if (runs.length === 0) return null;
  const different = differences(runs);
  return (
    <Card name="runs" title={words.title}>
      <p class="help">{runs.length === 1 ? words.none : words.help}</p>
      {runs.length > 1 && <div class="overlay" dangerouslySetInnerHTML={{ __html: picture(runs) }} />}
      <div class="table" role="region" aria-label={words.table} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {words.columns.map((name, i) => (
                <th key={name} scope="col">
                  <span class={i === words.columns.length - 1 ? "visually-hidden" : undefined}>{name}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {runs.map((run, i) => (
              <Row key={run.id} run={run} index={i} different={different[i]!} />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
};
