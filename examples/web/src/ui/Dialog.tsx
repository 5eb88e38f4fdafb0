import { useEffect, useRef } from "preact/hooks";
import { question } from "../confirm.ts";
import { strings } from "../strings.ts";
import { Button } from "./parts.tsx";

export const Dialog = () => {
  const asked = question.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked) dialog.current?.showModal();
    else dialog.current?.close();
  }, [asked]);
  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={() => asked?.answer(false)}>
      {asked && (
        <>
          <h2 id="question">{asked.title}</h2>
          <p>{asked.words}</p>
          <div class="row end">
            <Button onPress={() => asked.answer(false)}>{strings.cancel}</Button>
            <Button kind="danger" onPress={() => asked.answer(true)}>
              {asked.yes}
            </Button>
          </div>
        </>
      )}
    </dialog>
  );
};
