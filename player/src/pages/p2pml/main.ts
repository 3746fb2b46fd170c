/** The page /p2pml: hls.js and p2p-media-loader on this station, for comparison. */

import { chipText } from "../../panel/chip-text";
import type { Blocker } from "../../ui/sharing-mode";
import { detectBrowser, findBlocker, receiveOnlyReason } from "../../ui/sharing-mode";
import { element } from "../../ui/dom";
import { PreferenceStore } from "../../ui/preferences";
import Hls, { ErrorTypes, Events } from "hls.js";
import type { FragmentLoaderConstructor } from "hls.js";
import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";

import type { StationConfig } from "../../station/config";
import { fetchConfig } from "../../station/config";
import type { P2pmlStats } from "./stats";
import { Counters, rows } from "./stats";
import { hlsConfig } from "../../hls/config";
import type { Sharing } from "./settings";
import { coreConfig, fetchWindows, p2pmlHlsConfig, settingsOf } from "./settings";
import { useJoinTokens } from "./sockets";
import { SegmentHashes } from "./validator";
import { probePlaylist } from "../../hls/playlist-probe";
import { watchStalls } from "../../hls/watchdog";

const RETRY_MS = 2_000;
const REFRESH_MS = 1_000;
/** Two media errors within this time: the decoder does not recover in place. */
const MEDIA_RECOVERY_MS = 5_000;
/** For the chip of a viewer that does not share. */
const NOT_SHARING = { members: 0, unreachable: 0, peers: 0, share: null, storeFailing: false };

const page = new URL(location.href);
const settings = settingsOf(page);
const { now: preferences } = new PreferenceStore();
const title = element("title", HTMLElement);
const chip = element("state", HTMLElement);
const video = element("video", HTMLVideoElement);
const table = element("stats", HTMLTableSectionElement);

const counters = new Counters();
let hls: Hls | null = null;
/** whether the loaded stream has not ended */
let onAir = false;

show();
setInterval(show, REFRESH_MS);
watchStalls(
  video,
  () => onAir,
  () => {
    counters.stalls += 1;
  },
);
video.addEventListener("loadeddata", () => {
  counters.firstPictureMs ??= Math.round(performance.now());
});
window.p2pml = { stats };
void run();

async function run(): Promise<void> {
  const config = await firstConfig();
  title.textContent = document.title = config.title;
  if (!Hls.isSupported()) {
    chip.textContent = "from the store: this browser plays the stream natively";
    video.src = config.playlist.href;
    return;
  }
  const sharingAllowed = page.searchParams.get("p2p") !== "0";
  const blocker = findBlocker(detectBrowser(true), preferences, config.consent, sharingAllowed);
  const newPlayer =
    settings === "plain" || blocker !== null
      ? () => plainPlayer(blocker)
      : await sharingPlayer(settings, config);
  for (;;) {
    while ((await probePlaylist(config.playlist)) !== "live") {
      chip.textContent = "the station is offline";
      await pause(RETRY_MS);
    }
    await playUntilOver(config, newPlayer());
    await pause(RETRY_MS);
  }
}

/** Returns hls.js without the library. */
function plainPlayer(blocker: Blocker | null): Hls {
  const player = new Hls(
    hlsConfig(Hls.DefaultConfig.loader as unknown as FragmentLoaderConstructor),
  );
  player.on(Events.FRAG_LOADED, (_, { frag }) => {
    counters.http += frag.stats.loaded;
  });
  chip.textContent = blocker ? chipText({ blocker, ...NOT_SHARING }) : "from the store";
  return player;
}

/** Returns a factory of players that share. */
async function sharingPlayer(settings: Sharing, config: StationConfig): Promise<() => Hls> {
  useJoinTokens(config, page);
  // imported only now, because it captures the WebSocket class at load time
  const { HlsJsP2PEngine } = await import("p2p-media-loader-hlsjs");
  const { segments } = config;
  const { subtle } = crypto;
  const hashes = new SegmentHashes({ segments, fetch: fetch.bind(globalThis), subtle });
  const isP2PUploadDisabled = receiveOnlyReason(navigator, preferences.uploadOnMobile) !== null;
  return () => {
    const core = { ...coreConfig(settings, config, hashes), isP2PUploadDisabled };
    const engine = new HlsJsP2PEngine({ core });
    counters.attach(engine);
    const player = new Hls(p2pmlHlsConfig(settings, engine.getConfigForHlsJs()));
    engine.bindHls(player);
    if (settings === "best") keepWindows(player, engine);
    chip.textContent = "on air";
    return player;
  };
}

/** Gives peers as much time as the latency allows. */
function keepWindows(player: Hls, engine: HlsJsP2PEngine): void {
  player.on(Events.LEVEL_UPDATED, (_, { details }) => {
    const { bufferS, highDemandS } = fetchWindows(details.targetduration, player.latency);
    player.config.maxBufferLength = player.config.maxMaxBufferLength = bufferS;
    engine.applyDynamicConfig({ core: { highDemandTimeWindow: highDemandS } });
  });
}

/** Plays until the stream ends or fails for good. */
async function playUntilOver(config: StationConfig, player: Hls) {
  hls = player;
  onAir = true;
  const over = new AbortController();
  await new Promise<void>((resolve) => {
    let mediaErrorAt = -Infinity;
    player.on(Events.ERROR, (_, { fatal, type }) => {
      if (!fatal) return;
      const now = performance.now();
      if (type === ErrorTypes.MEDIA_ERROR && now - mediaErrorAt > MEDIA_RECOVERY_MS) {
        mediaErrorAt = now;
        player.recoverMediaError();
      } else resolve();
    });
    player.on(Events.LEVEL_UPDATED, (_, { details }) => {
      onAir = details.live;
    });
    player.on(Events.MANIFEST_PARSED, () => {
      // rejected if the viewer must click first
      video.play().catch(() => undefined);
    });
    video.addEventListener(
      "ended",
      () => {
        resolve();
      },
      { signal: over.signal },
    );
    player.loadSource(config.playlist.href);
    player.attachMedia(video);
  });
  over.abort();
  onAir = false;
  hls = null;
  player.destroy();
}

function stats(): P2pmlStats {
  const { p2p, http, uploaded, refused, peers, stalls } = counters;
  const latency = hls?.latency ?? 0;
  return {
    p2p,
    http,
    uploaded,
    refused,
    peers,
    stalls,
    latency_s: latency > 0 ? latency : null,
    first_picture_ms: counters.firstPictureMs,
    playing: !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
  };
}

function show(): void {
  const shown = rows(stats(), counters.share).map(([name, text]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = text;
    return row;
  });
  table.replaceChildren(...shown);
}

/** Fetches /config.json, retrying until it succeeds. */
async function firstConfig(): Promise<StationConfig> {
  for (;;) {
    try {
      return await fetchConfig(page);
    } catch (error) {
      console.warn("cannot read /config.json, retrying", error);
    }
    await pause(RETRY_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
