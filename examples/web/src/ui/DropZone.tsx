// The whole page takes what is dropped; each thing that can be dropped can be chosen by a button, too.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isHidden, isLocked } from "../address.ts";
import { failed, takeFiles, usePasted } from "../commands.ts";
import { fromDrop } from "../files.ts";
import { busy } from "../state.ts";
import { strings } from "../strings.ts";

const over = signal(false);
const closed = () => isLocked("text") || (isHidden("text") && isHidden("home"));

const drop = async (event: DragEvent) => {
  event.preventDefault();
  over.value = false;
  const data = event.dataTransfer;
  if (!data || closed()) return;
  const words = data.getData("text/plain");
  try {
    if (data.files.length === 0 && words) await (busy.value ? null : usePasted(words));
    else await takeFiles(await fromDrop(data));
  } catch (reason) {
    failed(reason);
  }
};

export const DropZone = () => {
  useEffect(() => {
    const enter = (event: DragEvent) => {
      event.preventDefault();
      over.value = !closed();
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) over.value = false;
    };
    addEventListener("dragover", enter);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
  return over.value ? (
    <div class="drop" aria-hidden="true">
      <p>{strings.dropHere}</p>
    </div>
  ) : null;
};
