import { signal } from "@preact/signals";
import { isLocked } from "../address.ts";
import * as commands from "../commands.ts";
import { fromList } from "../files.ts";
import { count, visible } from "../format.ts";
import type { TextInfo, TokenCount } from "../messages.ts";
import { busy, readingText, text, tokenCount } from "../state.ts";
import { strings } from "../strings.ts";
import { Button, Card, Chooser, Fact, LockedNote } from "./parts.tsx";

const words = strings.text;
const UNKNOWN = strings.model.unknown;
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

type AboutProps = { info: TextInfo | null; tokens: TokenCount | null };

/** What the text is. Until that is known its place is kept, so that nothing below moves. */
const About = ({ info, tokens }: AboutProps) => {
  const all = tokens && tokens.tokens + tokens.validation_tokens;
  return (
    <>
      <dl class="facts">
        <Fact name={words.size}>{info ? words.sizeOf(info.bytes, info.lines) : UNKNOWN}</Fact>
        <Fact name={words.characters}>{info ? count(info.characters) : UNKNOWN}</Fact>
        <Fact name={words.tokens}>{all ? words.tokensOf(all, tokens.vocabulary) : UNKNOWN}</Fact>
        <Fact name={words.split}>{all ? words.splitOf(tokens.validation_tokens, all) : UNKNOWN}</Fact>
      </dl>
      {info ? <Alphabet info={info} /> : <div class="to-come" />}
    </>
  );
};

export const TextCard = () => {
  const info = text.value;
  return (
    <Card name="text" title={words.title} number={1}>
      <p class="text-name" role="status">
        {readingText.value ? words.reading : (info?.name ?? words.reading)}
      </p>
      {isLocked("text") ? <LockedNote /> : !busy.value && <Ways />}
      <About info={info} tokens={tokenCount.value} />
    </Card>
  );
};
