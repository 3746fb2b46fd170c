/** Puts a station's player into a <media-controller>: picture, messages, controls. */

import { moment } from "./format";
import type { StationConfig } from "../station/config";
import { fetchConfig } from "../station/config";
import { make } from "./dom";
import { lastOnAir } from "../hls/playlist-probe";
import { LiveView } from "./live-view";
import type { PreferenceStore } from "./preferences";

/** Controls and links to other viewers wait for the first picture, but not longer than this. */
const MAX_FIRST_PICTURE_MS = 2_500;
const CONFIG_RETRY_MS = 2_000;

const SPEAKER_PATH =
  "M4 9v6h4l5 5V4L8 9H4zm12.6-1.2-1.4 1.4a4 4 0 0 1 0 5.600l1.400 1.400a6 6 0 0 0 0-8.400z";

export interface MountOptions {
  controller: HTMLElement;
  video: HTMLVideoElement;
  /** URL of a page of the station */
  page: URL;
  config: StationConfig;
  preferences: PreferenceStore;
  /** false: this player does not share, whatever the viewer's preferences */
  sharingAllowed: boolean;
  /** called when the player is older than its station */
  onOutdated: () => void;
  signal: AbortSignal;
}

export interface MountedPlayer {
  view: LiveView;
  /** resolves when links to other viewers may be made: there is a picture, or it takes too long */
  mayConnect: Promise<void>;
}

export function mount(options: MountOptions): MountedPlayer {
  const { controller, video, page, config, preferences, sharingAllowed, onOutdated, signal } =
    options;
  // while the attribute is set, media-chrome does not remember the volume
  if (video.hasAttribute("muted")) {
    video.removeAttribute("muted");
    video.muted = true;
  }
  if (config.poster) video.poster = config.poster.href;
  const lastOnAirText = make("span", { hidden: "" });
  const offline = make(
    "div",
    { class: "offline", slot: "centered-chrome", role: "status", noautohide: "", hidden: "" },
    make("strong", {}, "The station is offline."),
    lastOnAirText,
    make("span", {}, "The stream will start here automatically."),
  );
  const unmute = unmuteButton(video, signal);
  controller.append(offline, unmute);
  const mayConnect = firstPicture(video);
  const view = new LiveView({
    ...{ video, page, config, preferences, sharingAllowed, mayConnect, onOutdated },
    onState: (state) => {
      offline.hidden = state !== "offline";
      controller.toggleAttribute("data-offline", state === "offline");
      if (state !== "offline") return;
      void lastOnAir(config.playlist).then((date) => {
        lastOnAirText.hidden = date === null;
        if (date) lastOnAirText.textContent = `Last on air ${moment(date, new Date())}.`;
      });
    },
  });
  const close = (): void => {
    view.close();
  };
  signal.addEventListener("abort", close);
  // the host may have been removed while the configuration was loading
  if (signal.aborted) close();
  void mayConnect.then(async () => {
    const { addControls } = await import("./controls");
    if (!signal.aborted) await addControls(controller, video, view, signal);
  });
  addEventListener(
    "pagehide",
    ({ persisted }) => {
      // a page in the back/forward cache keeps its engine; otherwise peers learn at once
      if (persisted) view.report();
      else view.close();
    },
    { signal },
  );
  addEventListener(
    "storage",
    ({ key }) => {
      preferences.storageChanged(key);
    },
    { signal },
  );
  return { view, mayConnect };
}

/** Makes the player's keys work while nothing on the page has the focus. */
export function forwardKeys(controller: HTMLElement): void {
  addEventListener("keyup", (event) => {
    const { target, ctrlKey, altKey, metaKey } = event;
    if (target !== document.body || ctrlKey || altKey || metaKey) return;
    const handler = (controller as { keyboardShortcutHandler?: (event: KeyboardEvent) => void })
      .keyboardShortcutHandler;
    handler?.call(controller, event);
  });
}

/** Fetches /config.json, retrying until it succeeds. */
export async function loadConfig(page: URL): Promise<StationConfig> {
  for (;;) {
    try {
      return await fetchConfig(page);
    } catch (error) {
      console.warn("cannot read /config.json, retrying", error);
    }
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY_MS));
  }
}

/** Resolves when there is a picture, or when it has taken too long. */
export function firstPicture(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      resolve();
    };
    // a decoded picture is not on screen yet; not all browsers report that, hidden tabs never do
    const decoded = (): void => {
      if (document.hidden || !("requestVideoFrameCallback" in video)) done();
    };
    video.addEventListener("loadeddata", decoded, { once: true });
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(done);
    setTimeout(done, MAX_FIRST_PICTURE_MS);
  });
}

/** Returns a button that is visible while the video plays muted. */
function unmuteButton(video: HTMLVideoElement, signal: AbortSignal): HTMLElement {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SPEAKER_PATH);
  icon.append(path);
  const attributes = { class: "unmute", slot: "top-chrome", type: "button", noautohide: "" };
  const button = make("button", attributes, icon, "Turn on sound");
  const show = (): void => {
    button.hidden = !video.muted || video.paused;
  };
  show();
  video.addEventListener("volumechange", show, { signal });
  video.addEventListener("playing", show, { signal });
  button.addEventListener("click", () => {
    video.muted = false;
    void video.play();
  });
  return button;
}
