import { expect, it } from "vitest";
import { coreConfig, liveRoom, p2pmlHlsConfig } from "../../../src/pages/p2pml/settings";
import type { SegmentHashes, Verdict } from "../../../src/pages/p2pml/validator";

const STATION = {
  title: "Shoal",
  playlist: new URL("https://tv.test/live/playlist.m3u8"),
  room: new URL("wss://tv.test/ws/room"),
  segments: new URL("https://tv.test/live/segments.json"),
  tracker: new URL("wss://tv.test/ws"),
  swarm: "shoal",
  iceServers: [{ urls: ["stun:stun.test"] }],
  joinToken: { text: "1.1.abc", lifetimeMs: 600_000 },
};
const saying = (verdict: Verdict) =>
  ({ check: () => Promise.resolve(verdict) }) as unknown as SegmentHashes;

it("nobody else's tracker or STUN server is used, though those are the defaults", () => {
  const config = coreConfig(STATION, saying("genuine"));
  expect(config.announceTrackers).toEqual(["wss://tv.test/ws"]);
  expect(config.rtcConfig).toEqual({ iceServers: STATION.iceServers });
  expect(config.swarmId).toBe("shoal");
  expect(config.isP2PDisabled).toBe(false);
});

it.each<[Verdict, boolean, boolean]>([
  ["genuine", true, true],
  ["false", false, false],
  ["unknown", false, true],
])("what is %s: taken from peers %s, from the store %s", async (verdict, p2p, http) => {
  const config = coreConfig(STATION, saying(verdict));
  expect(await config.validateP2PSegment?.("u", undefined, new ArrayBuffer(1))).toBe(p2p);
  expect(await config.validateHTTPSegment?.("u", undefined, new ArrayBuffer(1))).toBe(http);
});

it("without WebCrypto nothing is shared, and the store's segments play", async () => {
  const config = coreConfig(STATION, null);
  expect(config.isP2PDisabled).toBe(true);
  expect(await config.validateHTTPSegment?.("u", undefined, new ArrayBuffer(1))).toBe(true);
});

it("hls.js makes no worker, and the delay is set: the engine would set 120 s", () => {
  const config = p2pmlHlsConfig({ fLoader: null, pLoader: null });
  expect(config.enableWorker).toBe(false);
  expect(config.liveSyncDurationCount).toBe(6);
});

it.each([
  // seconds of a segment, behind live, buffered, in high demand
  [4, 24, 20, 10],
  [5, 60, 55, 15],
  [2, 4.5, 4, 2],
  [4, 0, 8, 4],
])("segments of %d s, %d s behind live: room for peers", (segmentS, latencyS, bufferS, highS) => {
  expect(liveRoom(segmentS, latencyS)).toEqual({ bufferS, highDemandS: highS });
});
