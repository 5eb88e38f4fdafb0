import { isHidden } from "../address.ts";
import { strings } from "../strings.ts";
import { Card } from "./parts.tsx";

const words = strings.later;

/** What the page will offer once there is a model: one card in place of three empty ones. */
export const LaterCard = () => {
  const shown = (["samples", "prompt", "look"] as const).filter((card) => !isHidden(card));
  if (shown.length === 0) return null;
  return (
    <Card name="later" title={words.title}>
      <ul class="later plain">
        {shown.map((card) => (
          <li key={card}>
            <strong>{strings[card].title}</strong>
            <span>{words[card]}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
};
