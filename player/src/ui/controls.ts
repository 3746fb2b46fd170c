/** The live player's controls, in a chunk that the picture does not wait for. */

import "media-chrome/dist/media-live-button.js";

import { behind } from "./format";
import { addBar } from "./bar";
import { make, say } from "./dom";
import type { StationPlayer } from "./live-view";

/** Within one segment of where a viewer starts counts as live. */
const LIVE_MARGIN_S = 6;
const REFRESH_MS = 1_000;

/** Put the controls into a <media-controller>. */
export async function addControls(
  controller: HTMLElement,
  video: HTMLVideoElement,
  player: StationPlayer,
  signal: AbortSignal,
): Promise<void> {
  const late = make("span", { class: "behind" });
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
  await addBar({ controller, video, own: [make("media-live-button" as "div"), late], signal });
}
