/** Settings of hls.js and p2p-media-loader, chosen by `?settings=`. */

import type { FragmentLoaderConstructor, HlsConfig, PlaylistLoaderConstructor } from "hls.js";
import type { CoreConfig } from "p2p-media-loader-core";

import { hlsConfig } from "../../hls/config";
import type { StationConfig } from "../../station/config";
import type { SegmentHashes } from "./validator";

/**
 * "best" (the default): what shares a live stream best. The benches compare it with the library's
 * own defaults, with PeerTube's settings for live streams, and with plain hls.js without the
 * library.
 */
export type Settings = Sharing | "plain";
export type Sharing = "best" | "default" | "peertube";

/** Target latency: the library's own default would be 120 s. */
const LIVE_SYNC_SEGMENTS = 6;
const PEERTUBE_LIVE_SYNC_SEGMENTS = 5;
const PEERTUBE_HIGH_DEMAND_S = 4;
/** The library's default; used as the maximum. */
const MAX_HIGH_DEMAND_S = 15;
/** Within this time, a random viewer fetches segments that no peer has yet. */
const HTTP_AHEAD_S = 24;
const P2P_AHEAD_S = 120;

const BEST: Partial<CoreConfig> = {
  httpDownloadTimeWindow: HTTP_AHEAD_S,
  p2pDownloadTimeWindow: P2P_AHEAD_S,
  simultaneousHttpDownloads: 1,
  simultaneousP2PDownloads: 4,
  segmentMemoryStorageLimit: 200,
};

/** Returns the settings that the page's URL asks for. */
export function settingsOf({ searchParams }: URL): Settings {
  const named = searchParams.get("settings");
  return named === "default" || named === "peertube" || named === "plain" ? named : "best";
}

/** Returns the library's configuration; without hashes, P2P is disabled. */
export function coreConfig(
  settings: Sharing,
  { tracker, swarm, iceServers }: Pick<StationConfig, "tracker" | "swarm" | "iceServers">,
  hashes: Pick<SegmentHashes, "check"> | null,
): Partial<CoreConfig> {
  return {
    // instead of the default third-party trackers and STUN servers
    announceTrackers: [tracker.href],
    rtcConfig: { iceServers },
    swarmId: swarm,
    isP2PDisabled: hashes === null,
    validateP2PSegment: async (url, _range, data) => (await hashes?.check(url, data)) === "genuine",
    // its first bytes may come from a peer, because the library keeps partial downloads
    validateHTTPSegment: async (url, _range, data) => (await hashes?.check(url, data)) !== "false",
    ...{
      best: BEST,
      default: {},
      peertube: { highDemandTimeWindow: PEERTUBE_HIGH_DEMAND_S },
    }[settings],
  };
}

/** Returns hls.js's configuration, with the library's loaders. */
export function p2pmlHlsConfig(
  settings: Sharing,
  loaders: { fLoader: unknown; pLoader: unknown },
): Partial<HlsConfig> {
  const fLoader = loaders.fLoader as FragmentLoaderConstructor;
  const pLoader = loaders.pLoader as PlaylistLoaderConstructor;
  // a worker would detach buffers that the library still offers to peers
  const others = { fLoader, pLoader, enableWorker: false };
  return {
    best: { ...hlsConfig(fLoader), pLoader, liveSyncDurationCount: LIVE_SYNC_SEGMENTS },
    default: others,
    peertube: { ...others, liveSyncDurationCount: PEERTUBE_LIVE_SYNC_SEGMENTS },
  }[settings];
}

/** How far ahead of the playback position to fetch from where. */
export interface FetchWindows {
  /** seconds for hls.js to buffer */
  bufferS: number;
  /** seconds within which segments are fetched over HTTP; beyond that, peers have time */
  highDemandS: number;
}

/**
 * Returns windows that leave peers time, by the rule of p2p-media-loader 5: with fixed windows, a
 * viewer close to live would fetch everything over HTTP.
 *
 * @param segmentS duration of a segment, seconds
 * @param latencyS seconds behind live
 */
export function fetchWindows(segmentS: number, latencyS: number): FetchWindows {
  const bufferS = Math.max(2 * segmentS, latencyS - segmentS);
  return { bufferS, highDemandS: Math.min(MAX_HIGH_DEMAND_S, bufferS / 2) };
}
