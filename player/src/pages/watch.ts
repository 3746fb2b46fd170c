/** The watch page: the live picture, its controls, and where the video comes from. */

import { showSharing } from "../panel/sharing-view";
import { element } from "../ui/dom";
import { loadConfig, mount, takeKeys } from "../ui/mount";
import type { PlayerSnapshot } from "../ui/live-view";
import { PreferenceStore } from "../ui/preferences";
import { outdated, watchParts } from "./deployment";

declare global {
  interface Window {
    shoal?: { stats: () => PlayerSnapshot | null };
  }
}

const page = new URL(location.href);
const { signal } = new AbortController();

watchParts();
void loadConfig(page).then((config) => {
  const controller = element("player", HTMLElement);
  const preferences = new PreferenceStore();
  element("title", HTMLElement).textContent = config.title;
  element("replays", HTMLElement).hidden = config.replays === null;
  const { player, begun } = mount({
    ...{ controller, page, config, preferences, signal },
    video: element("video", HTMLVideoElement),
    here: page.searchParams.get("p2p") !== "0",
    onOutdated: outdated,
  });
  takeKeys(controller);
  showSharing({
    ...{ player, preferences, consent: config.consent, begun, signal },
    chip: element("sharing", HTMLButtonElement),
    panelHost: element("panel", HTMLElement),
    noteHost: element("note", HTMLElement),
  });
  window.shoal = { stats: () => player.stats() };
});
