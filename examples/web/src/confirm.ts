// One question at a time, which a dialog element asks.
import { signal } from "@preact/signals";

export type Question = { title: string; words: string; yes: string; answer(yes: boolean): void };
export const question = signal<Question | null>(null);

export const confirm = (title: string, words: string, yes: string): Promise<boolean> =>
  new Promise((resolve) => {
    question.value?.answer(false);
    question.value = {
      title,
      words,
      yes,
      answer: (agreed) => {
        question.value = null;
        resolve(agreed);
      },
    };
  });
