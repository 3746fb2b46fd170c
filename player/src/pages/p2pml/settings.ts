/** How the page sets up hls.js and p2p-media-loader, by `?settings=`. */

import type { FragmentLoaderConstructor, HlsConfig, PlaylistLoaderConstructor } from "hls.js";
import type { CoreConfig } from "p2p-media-loader-core";

import { hlsConfig } from "../../hls/config";
import type { StationConfig } from "../../station/config";
import type { SegmentHashes } from "./validator";

/**
 * best: as they share a live stream best, which the page does by itself. The benches compare it
 * with the library's own defaults, with what PeerTube sets for its live streams, and with plain
 * hls.js without the library.
 */
export type Settings = Sharing | "plain";
export type Sharing = "best" | "default" | "peertube";

/** Behind live: the library's own default would be 120 s. */
const LIVE_SYNC_SEGMENTS = 6;
const PEERTUBE_LIVE_SYNC_SEGMENTS = 5;
const PEERTUBE_HIGH_DEMAND_S = 4;
/** The library's default, and most. */
const MAX_HIGH_DEMAND_S = 15;
/** Up to there some viewer, at random, fetches what no peer has yet. */
const HTTP_AHEAD_S = 24;
const P2P_AHEAD_S = 120;

const BEST: Partial<CoreConfig> = {
  httpDownloadTimeWindow: HTTP_AHEAD_S,
  p2pDownloadTimeWindow: P2P_AHEAD_S,
  simultaneousHttpDownloads: 1,
  simultaneousP2PDownloads: 4,
  segmentMemoryStorageLimit: 200,
};

/** What the page's address asks for. */
export function settingsOf({ searchParams }: URL): Settings {
  const named = searchParams.get("settings");
  return named === "default" || named === "peertube" || named === "plain" ? named : "best";
}

/** The engine's configuration; without hashes nothing is taken from peers. */
export function coreConfig(
  settings: Sharing,
  { tracker, swarm, iceServers }: Pick<StationConfig, "tracker" | "swarm" | "iceServers">,
  hashes: Pick<SegmentHashes, "check"> | null,
): Partial<CoreConfig> {
  return {
    // nobody else's trackers and STUN servers, which are the defaults
    announceTrackers: [tracker.href],
    rtcConfig: { iceServers },
    swarmId: swarm,
    isP2PDisabled: hashes === null,
    validateP2PSegment: async (url, _range, data) => (await hashes?.check(url, data)) === "genuine",
    // its first bytes may be a peer's: what a broken download has got is kept
    validateHTTPSegment: async (url, _range, data) => (await hashes?.check(url, data)) !== "false",
    ...{
      best: BEST,
      default: {},
      peertube: { highDemandTimeWindow: PEERTUBE_HIGH_DEMAND_S },
    }[settings],
  };
}

/** hls.js's configuration, with the engine's loaders. */
export function p2pmlHlsConfig(
  settings: Sharing,
  loaders: { fLoader: unknown; pLoader: unknown },
): Partial<HlsConfig> {
  const fLoader = loaders.fLoader as FragmentLoaderConstructor;
  const pLoader = loaders.pLoader as PlaylistLoaderConstructor;
  // a worker would take away the buffers that the engine goes on offering to peers
  const others = { fLoader, pLoader, enableWorker: false };
  return {
    best: { ...hlsConfig(fLoader), pLoader, liveSyncDurationCount: LIVE_SYNC_SEGMENTS },
    default: others,
    peertube: { ...others, liveSyncDurationCount: PEERTUBE_LIVE_SYNC_SEGMENTS },
  }[settings];
}

/** How far ahead of the playhead what is to be fetched. */
export interface FetchWindows {
  /** seconds that hls.js buffers */
  bufferS: number;
  /** seconds within which a segment is fetched over HTTP; in the rest of the buffer peers have time */
  highDemandS: number;
}

/**
 * The room for peers that a live stream leaves, by the rule of p2p-media-loader 5: with fixed
 * windows a viewer near to live would fetch everything over HTTP.
 *
 * @param segmentS seconds of a segment
 * @param latencyS seconds that the playhead is behind live
 */
export function fetchWindows(segmentS: number, latencyS: number): FetchWindows {
  const bufferS = Math.max(2 * segmentS, latencyS - segmentS);
  return { bufferS, highDemandS: Math.min(MAX_HIGH_DEMAND_S, bufferS / 2) };
}
