/** The control bar, made of media-chrome's elements: the same on every page with a player. */

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
// last: it starts to work as soon as it is defined
import "media-chrome/dist/media-controller.js";

import { yieldToMain } from "./yield-to-main";
import { make } from "./dom";
import type { Renditions } from "../hls/renditions";

const LEFT = ["media-play-button", "media-mute-button", "media-volume-range"];
/** Each is visible only where it works. */
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
  /** the page's own controls, placed after the volume */
  extra: HTMLElement[];
  /** aborted when the player is removed from its page */
  signal: AbortSignal;
}

/** Adds the control bar to a <media-controller>; it stays hidden until it is complete. */
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
    // each step takes a phone about 10 ms
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

/** Resolves once there is a choice of quality or captions: few stations have either. */
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
