// What the model makes of a text.
import { signal } from "@preact/signals";
import { temperature } from "./ask.ts";
import { failed } from "./commands.ts";
import * as machine from "./machine.ts";
import type { LookInfo } from "./messages.ts";
import { strings } from "./strings.ts";

export const lookText = signal(strings.prompt.example);
export const looked = signal<LookInfo | null>(null);
export const looking = signal(false);
export const layer = signal(0);
export const head = signal(0);
/** The token whose attention is shown. */
export const position = signal(0);

export const look = async () => {
  looking.value = true;
  try {
    const question = { type: "look" as const, prompt: lookText.value, temperature: temperature.value };
    const { look } = await machine.client().ask(question).answer;
    layer.value = Math.min(layer.value, look.layers - 1);
    head.value = Math.min(head.value, look.heads - 1);
    position.value = look.tokens.length - 1;
    looked.value = look;
  } catch (reason) {
    failed(reason);
  } finally {
    looking.value = false;
  }
};
