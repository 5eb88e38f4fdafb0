// The text to learn from: the page keeps its bytes, because each worker that is opened needs them anew.
import { type Client, Refusal } from "./client.ts";
import type { Trouble } from "./messages.ts";
import * as state from "./state.ts";
import { strings } from "./strings.ts";

type Source = { name: string; bytes: Uint8Array };
let source: Source | null = null;

export const hasText = () => source !== null;

/** Gives the text to a worker; one that is refused leaves the one before it in place. */
export const give = async (to: Client, next: Source | null = source): Promise<Trouble | null> => {
  if (!next) return null;
  state.readingText.value = true;
  try {
    const { answer } = to.ask({ type: "text", name: next.name }, [next.bytes.slice()]);
    state.text.value = (await answer).text;
    source = next;
    return null;
  } catch (reason) {
    if (reason instanceof Refusal) return reason.trouble;
    throw reason;
  } finally {
    state.readingText.value = false;
  }
};

export const embedded = async (): Promise<Source> => {
  const { default: text } = await import("../../shakespeare/input.txt?head");
  return { name: strings.text.embeddedName, bytes: new TextEncoder().encode(text) };
};

export const pasted = (text: string): Source => ({
  name: strings.text.pastedName,
  bytes: new TextEncoder().encode(text),
});
