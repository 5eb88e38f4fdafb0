import { percent, visible } from "../format.ts";
import type { LookInfo } from "../messages.ts";
import { strings } from "../strings.ts";

const words = strings.look;

/** The likeliest next tokens as bars; the list itself is the table. */
export const NextTokens = ({ look }: { look: LookInfo }) => {
  const most = look.next[0]?.probability ?? 1;
  return (
    <section>
      <h3>{words.next}</h3>
      <p class="help">{words.nextHelp}</p>
      <ol class="bars">
        {look.next.map(({ text, probability }) => (
          <li key={text}>
            <code>{visible(text)}</code>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(100 * probability) / most} height="10" rx="1" />
            </svg>
            <span>{percent(probability)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
};
