import { signal } from "@preact/signals";
import { isLocked } from "../address.ts";
import * as commands from "../commands.ts";
import { fromList } from "../files.ts";
import { count, visible } from "../format.ts";
import type { TextInfo } from "../messages.ts";
import { busy, readingText, text, tokenCount } from "../state.ts";
import { strings } from "../strings.ts";
import { Button, Card, Chooser, Fact, LockedNote } from "./parts.tsx";

const words = strings.text;
const pasting = signal(false);
const draft = signal("");

const Paste = () => (
  <div class="paste">
    <label for="paste">{words.pasteLabel}</label>
    <textarea
      id="paste"
      rows={6}
      value={draft}
      onInput={({ currentTarget }) => (draft.value = currentTarget.value)}
    />
    <Button
      kind="primary"
      onPress={async () => {
        await commands.usePasted(draft.value);
        pasting.value = false;
      }}
    >
      {words.pasteUse}
    </Button>
  </div>
);

const Ways = () => (
  <div class="ways">
    <div class="row">
      <Chooser onFiles={(files) => commands.takeFiles(fromList(files))}>{words.choose}</Chooser>
      <Button onPress={() => (pasting.value = !pasting.value)}>{words.paste}</Button>
      {text.value && text.value.name !== words.embeddedName && (
        <Button kind="quiet" onPress={commands.useEmbedded}>
          {words.embedded}
        </Button>
      )}
    </div>
    {pasting.value && <Paste />}
  </div>
);

const Alphabet = ({ info }: { info: TextInfo }) => {
  const all = [...info.alphabet];
  return (
    <details>
      <summary>{words.alphabet(all.length)}</summary>
      <p class="alphabet" aria-label={words.alphabetLabel} role="group">
        {all.map((c) => (
          <span key={c} class={info.unseen.includes(c) ? "glyph unseen" : "glyph"}>
            {visible(c)}
          </span>
        ))}
      </p>
      <p class="help">
        {info.unseen ? `${words.unseen([...info.unseen].length)}: ${visible(info.unseen)}` : words.noUnseen}
      </p>
    </details>
  );
};

export const TextCard = () => {
  const info = text.value;
  const tokens = tokenCount.value;
  return (
    <Card name="text" title={words.title} number={1}>
      <p class="text-name" role="status">
        {readingText.value ? words.reading : (info?.name ?? words.reading)}
      </p>
      {isLocked("text") ? <LockedNote /> : !busy.value && <Ways />}
      {info && tokens && (
        <>
          <dl class="facts">
            <Fact name={words.size}>{words.sizeOf(info.bytes, info.lines)}</Fact>
            <Fact name={words.characters}>{count(info.characters)}</Fact>
            <Fact name={words.tokens}>
              {words.tokensOf(tokens.tokens + tokens.validation_tokens, tokens.vocabulary)}
            </Fact>
            <Fact name={words.split}>
              {words.splitOf(tokens.validation_tokens, tokens.tokens + tokens.validation_tokens)}
            </Fact>
          </dl>
          <Alphabet info={info} />
        </>
      )}
    </Card>
  );
};
