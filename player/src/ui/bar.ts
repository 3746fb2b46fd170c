/** The bar with the controls, of media-chrome's elements: the same on every page with a player. */

import "media-chrome/dist/media-airplay-button.js";
import "media-chrome/dist/media-cast-button.js";
import "media-chrome/dist/media-control-bar.js";
import "media-chrome/dist/media-fullscreen-button.js";
import "media-chrome/dist/media-loading-indicator.js";
import "media-chrome/dist/media-mute-button.js";
import "media-chrome/dist/media-pip-button.js";
import "media-chrome/dist/media-play-button.js";
import "media-chrome/dist/media-time-range.js";
import "media-chrome/dist/media-volume-range.js";
// the last one: it begins to work when it is defined
import "media-chrome/dist/media-controller.js";

import { yieldToMain } from "./yield-to-main";
import { make } from "./dom";
import type { Renditions } from "../hls/renditions";

const LEFT = ["media-play-button", "media-mute-button", "media-volume-range"];
/** They show themselves only where they work. */
const RIGHT = [
  "media-airplay-button",
  "media-cast-button",
  "media-pip-button",
  "media-fullscreen-button",
];
const MENUS = ["media-captions-menu", "media-rendition-menu"];

export interface ControlBarOptions {
  controller: HTMLElement;
  video: HTMLVideoElement;
  /** what this page has beside the volume */
  extra: HTMLElement[];
  /** the player is taken out of its page */
  signal: AbortSignal;
}

/** Put the controls into a <media-controller>, which shows them when they are complete. */
export async function addControlBar({
  controller,
  video,
  extra,
  signal,
}: ControlBarOptions): Promise<void> {
  const bar = element("media-control-bar", { hidden: "" });
  const range = element("media-time-range", { hidden: "" });
  const gap = make("span", { class: "gap" });
  bar.append(gap);
  const steps = [
    () => {
      controller.append(indicator());
    },
    () => {
      controller.append(range, bar);
    },
    ...LEFT.map((name) => () => {
      gap.before(element(name));
    }),
    ...RIGHT.map((name) => () => {
      bar.append(element(name));
    }),
  ];
  for (const step of steps) {
    // each of them takes a phone some 10 ms
    await yieldToMain();
    if (signal.aborted) return;
    step();
  }
  gap.before(...extra);
  bar.hidden = range.hidden = false;
  void choiceOffered(video, signal).then(async () => {
    await import("./menus");
    if (signal.aborted) return;
    range.before(...MENUS.map((name) => element(name, { anchor: "auto", hidden: "" })));
    gap.after(...MENUS.map((name) => element(`${name}-button`)));
  });
}

function indicator(): HTMLElement {
  const made = element("media-loading-indicator", { slot: "centered-chrome", noautohide: "" });
  made.append(make("span", { slot: "icon", class: "spinner" }));
  return made;
}

function element(name: string, attributes = {}): HTMLElement {
  return make(name as "div", attributes);
}

/** There is a choice of renditions or of captions: few stations have either. */
function choiceOffered(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  const { videoRenditions } = video as { videoRenditions?: Renditions };
  const { textTracks } = video;
  return new Promise((resolve) => {
    const check = (): void => {
      const texts = [...textTracks].filter(({ kind }) => kind !== "metadata");
      if (texts.length > 0 || (videoRenditions?.length ?? 0) > 0) resolve();
    };
    videoRenditions?.addEventListener("addrendition", check, { signal });
    textTracks.addEventListener("addtrack", check, { signal });
    check();
  });
}
