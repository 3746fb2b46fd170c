import type { CoreEventMap } from "p2p-media-loader-core";
import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";
import { beforeEach, expect, it } from "vitest";
import { Counters, rows } from "../../../src/pages/p2pml/stats";

let counters: Counters;
let emit: CoreEventMap;

beforeEach(() => {
  const listeners: Record<string, unknown> = {};
  const engine = {
    addEventListener: (name: string, listener: unknown) => {
      listeners[name] = listener;
    },
  };
  counters = new Counters();
  counters.attach(engine as unknown as HlsJsP2PEngine);
  emit = listeners as unknown as CoreEventMap;
});

it("counts bytes by source and destination", () => {
  expect(counters.share).toBeNull();
  emit.onChunkDownloaded(300, "p2p", "a");
  emit.onChunkDownloaded(100, "http");
  emit.onChunkUploaded(50, "a");
  expect(counters).toMatchObject({ p2p: 300, http: 100, uploaded: 50, share: 0.75 });
});

it("counts a peer's departure once, even if reported twice", () => {
  const peer = (peerId: string) => ({ peerId, streamType: "main" }) as const;
  emit.onPeerConnect(peer("a"));
  emit.onPeerConnect(peer("b"));
  emit.onPeerClose(peer("a"));
  emit.onPeerClose(peer("a"));
  expect(counters.peers).toBe(1);
});

it("counts only errors caused by false segments", () => {
  const fail = (type: "p2p-segment-validation-failed" | "peer-closed") => {
    const details: unknown = { error: { type } };
    emit.onSegmentError(details as Parameters<CoreEventMap["onSegmentError"]>[0]);
  };
  fail("peer-closed");
  fail("p2p-segment-validation-failed");
  expect(counters.refused).toBe(1);
});

it("shows megabytes and percent, and dashes for unknown values", () => {
  const stats = { p2p: 2_340_000, http: 780_000, uploaded: 0, refused: 0, peers: 2, stalls: 1 };
  const text = (share: number | null, latency_s: number | null) =>
    Object.fromEntries(rows({ ...stats, latency_s, first_picture_ms: null, playing: true }, share));
  expect(text(0.756, 23.6)).toMatchObject({
    "from peers": "2.3 MB",
    "share of peers": "75%",
    latency: "24 s",
    stalls: "1",
  });
  expect(text(null, null)).toMatchObject({ "share of peers": "–", latency: "–" });
});
