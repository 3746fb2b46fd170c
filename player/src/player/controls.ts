/** The player's controls: media-chrome's elements, in a chunk that the picture does not wait for. */

import "media-chrome/dist/media-airplay-button.js";
import "media-chrome/dist/media-cast-button.js";
import "media-chrome/dist/media-control-bar.js";
import "media-chrome/dist/media-fullscreen-button.js";
import "media-chrome/dist/media-live-button.js";
import "media-chrome/dist/media-loading-indicator.js";
import "media-chrome/dist/media-mute-button.js";
import "media-chrome/dist/media-pip-button.js";
import "media-chrome/dist/media-play-button.js";
import "media-chrome/dist/media-time-range.js";
import "media-chrome/dist/media-volume-range.js";
// the last one: when it is defined its children are complete
import "media-chrome/dist/media-controller.js";

import { behind } from "../panel/format";
import { make, say } from "./dom";
import type { StationPlayer } from "./player";

/** Within one segment of where a viewer starts counts as live. */
const LIVE_MARGIN_S = 6;
const REFRESH_MS = 1_000;

/** Buttons that show themselves only where they work, in their order. */
const BUTTONS = [
  "media-captions-menu-button",
  "media-rendition-menu-button",
  "media-airplay-button",
  "media-cast-button",
  "media-pip-button",
  "media-fullscreen-button",
];

/** Put the controls into a <media-controller>. */
export function addControls(
  controller: HTMLElement,
  player: StationPlayer,
  signal: AbortSignal,
): void {
  // few stations have several renditions or captions
  void import("./menus");
  const late = make("span", { class: "behind" });
  const element = (name: string, attributes = {}): HTMLElement => make(name as "div", attributes);
  controller.append(
    make(
      "media-loading-indicator" as "div",
      { slot: "centered-chrome", noautohide: "" },
      make("span", { slot: "icon", class: "spinner" }),
    ),
    element("media-captions-menu", { anchor: "auto", hidden: "" }),
    element("media-rendition-menu", { anchor: "auto", hidden: "" }),
    element("media-time-range"),
    make(
      "media-control-bar" as "div",
      {},
      element("media-play-button"),
      element("media-mute-button"),
      element("media-volume-range"),
      element("media-live-button"),
      late,
      make("span", { class: "gap" }),
      ...BUTTONS.map((name) => element(name)),
    ),
  );
  // media-chrome would seek to the very edge, where there is nothing to play yet
  controller.addEventListener(
    "mediaseektoliverequest",
    (event) => {
      event.stopImmediatePropagation();
      player.live.goToLive();
    },
    { capture: true, signal },
  );
  // forwards by key: beyond live there is nothing
  controller.addEventListener(
    "mediaseekrequest",
    (event) => {
      const { detail } = event as CustomEvent<number>;
      const livePositionS = player.live.livePositionS;
      if (livePositionS === null || detail <= livePositionS) return;
      event.stopImmediatePropagation();
      player.live.goToLive();
    },
    { capture: true, signal },
  );
  const refresh = (): void => {
    const { live } = player;
    const edge = (live.targetLatencyS ?? 0) + LIVE_MARGIN_S;
    controller.setAttribute("liveedgeoffset", edge.toFixed(0));
    const latency = live.latencyS ?? 0;
    say(late, latency > edge + 1 ? behind(latency) : "");
  };
  refresh();
  const timer = setInterval(refresh, REFRESH_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
  });
}
