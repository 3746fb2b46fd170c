import type { CoreEventMap } from "p2p-media-loader-core";
import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";
import { beforeEach, expect, it } from "vitest";
import { Counters, rows } from "../../../src/pages/p2pml/stats";

let figures: Counters;
let tell: CoreEventMap;

beforeEach(() => {
  const listeners: Record<string, unknown> = {};
  const engine = {
    addEventListener: (name: string, listener: unknown) => {
      listeners[name] = listener;
    },
  };
  figures = new Counters();
  figures.attach(engine as unknown as HlsJsP2PEngine);
  tell = listeners as unknown as CoreEventMap;
});

it("bytes are counted by where they come from and go to", () => {
  expect(figures.share).toBeNull();
  tell.onChunkDownloaded(300, "p2p", "a");
  tell.onChunkDownloaded(100, "http");
  tell.onChunkUploaded(50, "a");
  expect(figures).toMatchObject({ p2p: 300, http: 100, uploaded: 50, share: 0.75 });
});

it("a peer that is gone twice is gone once", () => {
  const peer = (peerId: string) => ({ peerId, streamType: "main" }) as const;
  tell.onPeerConnect(peer("a"));
  tell.onPeerConnect(peer("b"));
  tell.onPeerClose(peer("a"));
  tell.onPeerClose(peer("a"));
  expect(figures.peers).toBe(1);
});

it("of errors, those count that a false segment made", () => {
  const fail = (type: "p2p-segment-validation-failed" | "peer-closed") => {
    const details: unknown = { error: { type } };
    tell.onSegmentError(details as Parameters<CoreEventMap["onSegmentError"]>[0]);
  };
  fail("peer-closed");
  fail("p2p-segment-validation-failed");
  expect(figures.refused).toBe(1);
});

it("people read megabytes and percent; what is not known yet is a dash", () => {
  const stats = { p2p: 2_340_000, http: 780_000, uploaded: 0, refused: 0, peers: 2, stalls: 1 };
  const text = (share: number | null, latency_s: number | null) =>
    Object.fromEntries(rows({ ...stats, latency_s, first_picture_ms: null, playing: true }, share));
  expect(text(0.756, 23.6)).toMatchObject({
    "from peers": "2.3 MB",
    "share of peers": "75 %",
    "behind live": "24 s",
    stalls: "1",
  });
  expect(text(null, null)).toMatchObject({ "share of peers": "–", "behind live": "–" });
});
