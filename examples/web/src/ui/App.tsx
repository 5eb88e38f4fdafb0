import { isHidden } from "../address.ts";
import { samples } from "../curve.ts";
import { hasModel } from "../state.ts";
import { strings } from "../strings.ts";
import { Alerts } from "./Alerts.tsx";
import { DeviceCard } from "./DeviceCard.tsx";
import { Dialog } from "./Dialog.tsx";
import { DropZone } from "./DropZone.tsx";
import { Header } from "./Header.tsx";
import { HomeCard } from "./HomeCard.tsx";
import { Kept } from "./Kept.tsx";
import { LaterCard } from "./LaterCard.tsx";
import { LookCard } from "./LookCard.tsx";
import { ModelCard } from "./ModelCard.tsx";
import { PromptCard } from "./PromptCard.tsx";
import { RunsCard } from "./RunsCard.tsx";
import { SamplesCard } from "./SamplesCard.tsx";
import { TextCard } from "./TextCard.tsx";
import { TrainingCard } from "./TrainingCard.tsx";

export const App = () => (
  <>
    <a
      class="skip"
      href="#training"
      onClick={(event) => {
        // The address holds the settings: the link moves the focus and leaves it alone.
        event.preventDefault();
        document.getElementById("training")?.focus();
      }}
    >
      {strings.skip}
    </a>
    <Header />
    <main>
      <Alerts />
      <Kept />
      <div class="columns">
        <div class="setup">
          {!isHidden("text") && <TextCard />}
          {!isHidden("model") && <ModelCard />}
          {!isHidden("device") && <DeviceCard />}
        </div>
        <div class="work">
          <TrainingCard />
          {!isHidden("samples") && <SamplesCard />}
          {hasModel.value && !isHidden("prompt") && <PromptCard />}
          {!hasModel.value && samples.value.length === 0 && <LaterCard />}
        </div>
        <div class="work">
          {hasModel.value && !isHidden("look") && <LookCard />}
          {!isHidden("runs") && <RunsCard />}
          {!isHidden("home") && <HomeCard />}
        </div>
      </div>
    </main>
    <DropZone />
    <Dialog />
  </>
);
