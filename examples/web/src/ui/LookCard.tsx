import { look, looked, looking, lookText } from "../look.ts";
import { strings } from "../strings.ts";
import { Attention } from "./Attention.tsx";
import { NextTokens } from "./NextTokens.tsx";
import { Surprise } from "./Surprise.tsx";
import { Button, Card } from "./parts.tsx";

const words = strings.look;

export const LookCard = () => (
  <Card name="look" title={words.title}>
    <div class="field">
      <label for="look">{words.label}</label>
      <textarea
        id="look"
        rows={3}
        value={lookText.value}
        onInput={({ currentTarget }) => (lookText.value = currentTarget.value)}
      />
    </div>
    <Button off={looking.value} onPress={look}>
      {looking.value ? words.looking : words.look}
    </Button>
    {looked.value && (
      <div class="views">
        <NextTokens look={looked.value} />
        <Surprise look={looked.value} />
        <Attention look={looked.value} />
      </div>
    )}
  </Card>
);
