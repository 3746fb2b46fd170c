/** The watch page: the live picture, its controls, and where the video comes from. */

import Hls from "hls.js";
import { Engine } from "../engine/engine";
import { fragmentLoader } from "../engine/loader";
import type { WebTorrentConstructor } from "../engine/torrents";
import type { StationConfig } from "./config";
import { fetchConfig } from "./config";
import { outdated, watchParts } from "./deployment";
import { Live } from "./live";
import { sharingText } from "./sharing";
import { snapshot } from "./snapshot";
import { watchStalls } from "./stalls";
import { mayUpload } from "./uplink";

const CONFIG_RETRY_MS = 2_000;
const REFRESH_MS = 1_000;
/** Controls and links to others come after the first picture, or after this long without one. */
const MAX_FIRST_PICTURE_MS = 2_500;
/** Within one segment of where a viewer starts counts as live. */
const LIVE_MARGIN_S = 6;

const page = new URL(location.href);
const player = element("player", HTMLElement);
const video = element("video", HTMLVideoElement);
const title = element("title", HTMLElement);
const chip = element("sharing", HTMLElement);
const offline = element("offline", HTMLElement);
const unmute = element("unmute", HTMLButtonElement);

/** There is a picture, or none is to be waited for. */
const pictured = new Promise<void>((resolve) => {
  video.addEventListener(
    "loadeddata",
    () => {
      resolve();
    },
    { once: true },
  );
  setTimeout(resolve, MAX_FIRST_PICTURE_MS);
});

watchParts();
void loadConfig().then(watch);
void pictured.then(() => import("./controls"));

function watch(config: StationConfig): void {
  title.textContent = document.title = config.title;
  const native = !Hls.isSupported();
  const engine: Engine = new Engine({
    platform: {
      fetch: fetch.bind(globalThis),
      WebSocket,
      // who plays without the engine has nothing to share
      PeerConnection: !native && "RTCPeerConnection" in globalThis ? RTCPeerConnection : null,
      subtle: isSecureContext ? crypto.subtle : null,
      now: () => performance.now(),
    },
    player: {
      bufferedS: () => live.bufferedS,
      latencyS: () => live.latencyS,
      pausedS: () => live.pausedS,
      playing: () => !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
    },
    room: config.room,
    joinToken: config.joinToken,
    renewJoinToken: async (signal) => (await fetchConfig(page, signal)).joinToken,
    segments: config.segments,
    iceServers: config.iceServers,
    ...(config.seedPolicy && {
      seed: {
        policy: config.seedPolicy,
        tracker: config.tracker,
        load: async () => {
          const library = await import("webtorrent/dist/webtorrent.min.js");
          return library.default as WebTorrentConstructor;
        },
      },
    }),
    upload: mayUpload(navigator),
    begun: pictured,
    onStream: (onAir) => {
      live.announce(onAir);
    },
    onOutdated: outdated,
    log: (line) => {
      console.log(line);
    },
  });
  const live: Live = new Live({
    video,
    playlist: config.playlist,
    fragmentLoader: fragmentLoader(engine),
    network: () => engine.network,
    onState: (state) => {
      offline.hidden = state !== "offline";
      player.toggleAttribute("data-offline", state === "offline");
    },
  });
  let firstPictureMs: number | null = null;

  video.addEventListener("loadeddata", () => {
    firstPictureMs ??= Math.round(performance.now());
  });
  watchStalls(
    video,
    () => live.expected,
    () => {
      engine.stats.stalled();
    },
  );
  video.addEventListener("volumechange", showUnmute);
  video.addEventListener("playing", showUnmute);
  unmute.addEventListener("click", () => {
    video.muted = false;
    void video.play();
  });
  // media-chrome would seek to the very edge, where there is nothing to play yet
  player.addEventListener(
    "mediaseektoliverequest",
    (event) => {
      event.stopImmediatePropagation();
      live.goToLive();
    },
    { capture: true },
  );
  addEventListener("pagehide", ({ persisted }) => {
    // a page that may be shown again keeps its engine; others let their peers know at once
    if (persisted) engine.report();
    else engine.close();
  });

  setInterval(() => {
    const edge = (live.targetLatencyS ?? 0) + LIVE_MARGIN_S;
    player.setAttribute("liveedgeoffset", edge.toFixed(0));
    const text = sharingText({
      sharing: native ? "no MSE" : engine.sharing,
      members: engine.membership.members,
      unreachable: engine.membership.unreachable,
      peers: engine.peers,
      share: engine.stats.share,
      storeFailing: engine.storeFailing,
    });
    if (chip.textContent !== text) chip.textContent = text;
  }, REFRESH_MS);

  window.shoal = {
    stats: () => snapshot(engine, live, video, config.playlist, firstPictureMs),
  };
}

function showUnmute(): void {
  unmute.hidden = !video.muted || video.paused;
}

/** Reads /config.json, for as long as it takes. */
async function loadConfig(): Promise<StationConfig> {
  for (;;) {
    try {
      return await fetchConfig(page);
    } catch (error) {
      console.warn("/config.json cannot be read", error);
    }
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY_MS));
  }
}

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`);
  return found;
}
