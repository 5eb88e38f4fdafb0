import { failed } from "../commands.ts";
import { waysOut } from "../recover.ts";
import { type Alert, alerts, dismiss } from "../state.ts";
import { strings } from "../strings.ts";
import { Button } from "./parts.tsx";

const words = strings.trouble;

const Trouble = ({ alert }: { alert: Alert }) => {
  const { title, advice } = words.kinds[alert.kind];
  return (
    <div class="alert" role="alert">
      <h2>{title}</h2>
      {alert.words && <p class="said">{alert.words}</p>}
      {advice && <p>{advice}</p>}
      <div class="row">
        {waysOut(alert).map(({ label, take }, i) => (
          <Button
            key={label}
            kind={i === 0 ? "primary" : undefined}
            onPress={async () => {
              try {
                dismiss(alert.kind);
                await take();
              } catch (reason) {
                failed(reason);
              }
            }}
          >
            {label}
          </Button>
        ))}
        <Button kind="quiet" onPress={() => dismiss(alert.kind)}>
          {words.dismiss}
        </Button>
      </div>
    </div>
  );
};

export const Alerts = () => (
  <div class="alerts">
    {alerts.value.map((alert) => (
      <Trouble key={alert.kind} alert={alert} />
    ))}
  </div>
);
