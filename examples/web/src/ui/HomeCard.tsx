import { isLocked } from "../address.ts";
import { failed, takeFiles } from "../commands.ts";
import { fromList } from "../files.ts";
import { command, packing, takeHome, takePicture, takeWeights } from "../home.ts";
import { busy, hasModel } from "../state.ts";
import { strings } from "../strings.ts";
import { Button, Card, Chooser } from "./parts.tsx";

const words = strings.home;
const bring = (files: FileList) => takeFiles(fromList(files)).catch(failed);

export const HomeCard = () => (
  <Card name="home" title={words.title}>
    <p class="help">{words.help}</p>
    {hasModel.value && (
      <div class="row">
        <Button kind="primary" off={packing.value} onPress={takeHome}>
          {packing.value ? words.packing : words.zip}
        </Button>
        <Button off={packing.value} onPress={takeWeights}>
          {words.weights}
        </Button>
        <Button onPress={takePicture}>{words.picture}</Button>
      </div>
    )}
    {command.value && (
      <>
        <p>{words.command}</p>
        <div class="command">
          <code tabIndex={0}>{command.value}</code>
          <Button onPress={() => navigator.clipboard.writeText(command.value!).catch(failed)}>
            {words.copy}
          </Button>
        </div>
      </>
    )}
    {!isLocked("text") && !busy.value && (
      <>
        <h3>{words.bring}</h3>
        <p class="help">{words.bringHelp}</p>
        <div class="row">
          <Chooser folder onFiles={bring}>
            {words.folder}
          </Chooser>
          <Chooser accept=".zip,application/zip" onFiles={bring}>
            {words.file}
          </Chooser>
        </div>
      </>
    )}
  </Card>
);
