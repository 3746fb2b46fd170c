/**
 * The live player's controls, loaded separately so that the first picture does not wait for them.
 */

import "media-chrome/dist/media-live-button.js";

import { liveOffset } from "./format";
import { addControlBar } from "./bar";
import { make, setText } from "./dom";
import type { LiveView } from "./live-view";

/** Up to about one segment later than the target latency counts as live. */
const LIVE_MARGIN_S = 6;
const REFRESH_MS = 1_000;

/** Adds the controls to a <media-controller>. */
export async function addControls(
  controller: HTMLElement,
  video: HTMLVideoElement,
  view: LiveView,
  signal: AbortSignal,
): Promise<void> {
  const latencyLabel = make("span", { class: "latency" });
  // media-chrome would seek to the live edge, where there is nothing to play yet
  controller.addEventListener(
    "mediaseektoliverequest",
    (event) => {
      event.stopImmediatePropagation();
      view.live.goToLive();
    },
    { capture: true, signal },
  );
  // seeking forward by key: there is nothing beyond live
  controller.addEventListener(
    "mediaseekrequest",
    (event) => {
      const { detail } = event as CustomEvent<number>;
      const livePositionS = view.live.livePositionS;
      if (livePositionS === null || detail <= livePositionS) return;
      event.stopImmediatePropagation();
      view.live.goToLive();
    },
    { capture: true, signal },
  );
  const refresh = (): void => {
    const { live } = view;
    const edge = (live.targetLatencyS ?? 0) + LIVE_MARGIN_S;
    controller.setAttribute("liveedgeoffset", edge.toFixed(0));
    const latency = live.latencyS ?? 0;
    setText(latencyLabel, latency > edge + 1 ? liveOffset(latency) : "");
  };
  refresh();
  const timer = setInterval(refresh, REFRESH_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
  });
  await addControlBar({
    controller,
    video,
    extra: [make("media-live-button" as "div"), latencyLabel],
    signal,
  });
}
