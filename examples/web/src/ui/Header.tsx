import { signal } from "@preact/signals";
import { link } from "../address.ts";
import { settings } from "../state.ts";
import { strings } from "../strings.ts";
import { theme, THEMES, type Theme } from "../theme.ts";
import { Button } from "./parts.tsx";

const copied = signal(false);
const COPIED_MS = 2000;

const copyLink = async () => {
  try {
    await navigator.clipboard.writeText(link(settings.value));
  } catch {
    // Where the clipboard is refused, the address itself holds the same.
    location.replace(link(settings.value));
  }
  copied.value = true;
  setTimeout(() => (copied.value = false), COPIED_MS);
};

const Flame = () => (
  <svg class="flame" viewBox="0 0 32 32" aria-hidden="true">
    <path d="M17 2c1 6-7 9-7 17 0 2 .6 3.600 1.600 5C7.500 22.500 6 19.500 6 16.500 3.500 24 8 30 16 30s12-5.500 10.500-12.500C25.500 12.500 19.500 9.500 17 2z" />
    <path
      class="inner"
      d="M17 14c.5 3.500-4 5-4 9.500 0 2.500 1.500 4 3.500 4s4-1.700 4-4.200c0-3.300-3-5.300-3.500-9.300z"
    />
  </svg>
);

export const Header = () => (
  <header class="header">
    <Flame />
    <div class="names">
      <h1>{strings.title}</h1>
      <p>{strings.lead}</p>
    </div>
    <div class="tools">
      <Button kind="quiet" onPress={copyLink}>
        {strings.copyLink}
      </Button>
      <span class="copied" role="status">
        {copied.value && strings.copied}
      </span>
      <select
        class="theme"
        aria-label={strings.theme.label}
        value={theme.value}
        onChange={({ currentTarget }) => (theme.value = currentTarget.value as Theme)}
      >
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {strings.theme[name]}
          </option>
        ))}
      </select>
    </div>
  </header>
);
