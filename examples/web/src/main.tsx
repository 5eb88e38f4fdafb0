import { render } from "preact";
import "./css/base.css";
import "./css/parts.css";
import "./css/look.css";
import "./css/views.css";
import * as commands from "./commands.ts";
import * as machine from "./machine.ts";
import { onTrouble } from "./recover.ts";
import { apply } from "./replies.ts";
import * as state from "./state.ts";
import * as theme from "./theme.ts";
import { App } from "./ui/App.tsx";
import * as wake from "./wake.ts";
import { watch } from "./watch.ts";

theme.watch();
render(<App />, document.getElementById("app")!);

machine.setListener((reply) => (reply.type === "trouble" ? onTrouble(reply.trouble) : apply(reply)));
wake.watch();
watch();

const begin = async () => {
  if (!(await machine.use("cpu"))) return;
  await commands.useEmbedded();
  // Not needed yet, but a page that has loaded asks for nothing more: it may be offline by then.
  void import("./zip.ts");
  if (state.storage.value === "other_tab") {
    onTrouble({ id: null, kind: "other_tab", words: "", can_continue: false });
  }
  await machine.lookForGpu();
};
void begin();
