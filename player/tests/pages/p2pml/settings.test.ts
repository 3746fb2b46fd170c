import { expect, it } from "vitest";
import {
  coreConfig,
  fetchWindows,
  p2pmlHlsConfig,
  settingsOf,
} from "../../../src/pages/p2pml/settings";
import type { SegmentHashes, Verdict } from "../../../src/pages/p2pml/validator";

const STATION = {
  title: "Shoal",
  poster: null,
  consent: "notice" as const,
  playlist: new URL("https://tv.test/live/playlist.m3u8"),
  room: new URL("wss://tv.test/ws/room"),
  segments: new URL("https://tv.test/live/segments.json"),
  replays: null,
  tracker: new URL("wss://tv.test/ws"),
  swarm: "shoal",
  iceServers: [{ urls: ["stun:stun.test"] }],
  seedPolicy: null,
  joinToken: { text: "1.1.abc", lifetimeMs: 600_000 },
};
const saying = (verdict: Verdict) =>
  ({ check: () => Promise.resolve(verdict) }) as unknown as SegmentHashes;

it("replaces the default third-party trackers and STUN servers", () => {
  const config = coreConfig("best", STATION, saying("genuine"));
  expect(config.announceTrackers).toEqual(["wss://tv.test/ws"]);
  expect(config.rtcConfig).toEqual({ iceServers: STATION.iceServers });
  expect(config.swarmId).toBe("shoal");
  expect(config.isP2PDisabled).toBe(false);
});

it.each<[Verdict, boolean, boolean]>([
  ["genuine", true, true],
  ["false", false, false],
  ["unknown", false, true],
])("a verdict %s: accepted from peers %s, from the store %s", async (verdict, p2p, http) => {
  const config = coreConfig("best", STATION, saying(verdict));
  expect(await config.validateP2PSegment?.("u", undefined, new ArrayBuffer(1))).toBe(p2p);
  expect(await config.validateHTTPSegment?.("u", undefined, new ArrayBuffer(1))).toBe(http);
});

it("without WebCrypto, nothing is shared and the store's segments play", async () => {
  const config = coreConfig("best", STATION, null);
  expect(config.isP2PDisabled).toBe(true);
  expect(await config.validateHTTPSegment?.("u", undefined, new ArrayBuffer(1))).toBe(true);
});

it.each([
  ["", "best"],
  ["?settings=default", "default"],
  ["?settings=peertube", "peertube"],
  ["?settings=plain", "plain"],
  ["?settings=fastest", "best"],
])("the URL %j selects the settings %s", (query, settings) => {
  expect(settingsOf(new URL(`https://tv.test/p2pml${query}`))).toBe(settings);
});

it.each([
  ["best", 6],
  ["peertube", 5],
  // the engine's own is 120 s
  ["default", undefined],
] as const)("%s: hls.js uses no worker, and plays %s segments behind live", (settings, count) => {
  const config = p2pmlHlsConfig(settings, { fLoader: null, pLoader: null });
  expect(config.enableWorker).toBe(false);
  expect(config.liveSyncDurationCount).toBe(count);
});

it.each(["best", "default", "peertube"] as const)(
  "%s: only our tracker, and what peers send is checked",
  async (settings) => {
    const config = coreConfig(settings, STATION, saying("false"));
    expect(config.announceTrackers).toEqual(["wss://tv.test/ws"]);
    expect(await config.validateP2PSegment?.("u", undefined, new ArrayBuffer(1))).toBe(false);
  },
);

it("keeps the library's defaults, but for one setting of PeerTube's", () => {
  const { highDemandTimeWindow, ...others } = coreConfig("peertube", STATION, null);
  expect(highDemandTimeWindow).toBe(4);
  const own = coreConfig("default", STATION, null);
  expect(Object.keys(own)).toEqual(Object.keys(others));
  expect(own.simultaneousP2PDownloads).toBeUndefined();
});

it.each([
  // seconds: segment, latency, buffer, high demand
  [4, 24, 20, 10],
  [5, 60, 55, 15],
  [2, 4.5, 4, 2],
  [4, 0, 8, 4],
])("segments of %d s, %d s behind live: time for peers", (segmentS, latencyS, bufferS, highS) => {
  expect(fetchWindows(segmentS, latencyS)).toEqual({ bufferS, highDemandS: highS });
});
