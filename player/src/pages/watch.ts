/** The watch page: live picture, controls and sharing. */

import { showSharing } from "../panel/sharing-view";
import { element } from "../ui/dom";
import { loadConfig, mount, forwardKeys } from "../ui/mount";
import type { LiveStats } from "../ui/live-view";
import { PreferenceStore } from "../ui/preferences";
import { offerUpdate, reloadWhenReplaced } from "./deployment";

declare global {
  interface Window {
    shoal?: { stats: () => LiveStats | null };
  }
}

const page = new URL(location.href);
const { signal } = new AbortController();

reloadWhenReplaced();
void loadConfig(page).then((config) => {
  const controller = element("player", HTMLElement);
  const preferences = new PreferenceStore();
  element("title", HTMLElement).textContent = config.title;
  element("replays", HTMLElement).hidden = config.replays === null;
  const { view, mayConnect } = mount({
    ...{ controller, page, config, preferences, signal },
    video: element("video", HTMLVideoElement),
    sharingAllowed: page.searchParams.get("p2p") !== "0",
    onOutdated: offerUpdate,
  });
  forwardKeys(controller);
  showSharing({
    ...{ view, preferences, consent: config.consent, mayConnect, signal },
    chip: element("sharing", HTMLButtonElement),
    panelHost: element("panel", HTMLElement),
    noteHost: element("note", HTMLElement),
  });
  window.shoal = { stats: () => view.stats() };
});
