// What is asked of the model, and what it has written.
import { signal } from "@preact/signals";
import { strings } from "./strings.ts";

export const prompt = signal(strings.prompt.example);
/** The prompt of what is written now. */
export const asked = signal("");
export const temperature = signal(0.8);
export const tokens = signal(200);
export const topK = signal(0);
export const output = signal("");
export const end = signal("");

let seed = 0;
/** Another seed each time: asking again is to see something else. */
export const nextSeed = () => ++seed;
