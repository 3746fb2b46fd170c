import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Stats } from "../../src/engine/stats";
import { decodeFrame, encodeHave, encodeRequest } from "../../src/protocol/frames";
import { PIECE_BYTES } from "../support";
import {
  OWN_RANGE,
  PEERS_RANGE,
  SLICES,
  reset,
  exchange,
  deliverFromPeer,
  never,
  pass,
  t,
  until,
} from "./exchange-harness";

beforeEach(reset);
afterEach(() => {
  vi.useRealTimers();
});

/** The requests made: member and piece. */
const requests = (): [string, number][] =>
  t.frames.flatMap(([id, data]): [string, number][] => {
    const frame = decodeFrame(data.buffer);
    return frame?.type === "request" ? [[id, frame.piece]] : [];
  });
/** The availability sent: member and bitmap. */
const availabilitySent = (): [string, number][] =>
  t.frames.flatMap(([id, data]): [string, number][] => {
    const frame = decodeFrame(data.buffer);
    return frame?.type === "have" ? [[id, frame.pieces]] : [];
  });
/** Wait until this many pieces are here: hashing takes real time. */
const arrived = (stats: Stats, pieces: number) =>
  until(() => {
    const { p2p, store } = stats.total.bytes;
    expect(p2p + store).toBe(pieces * PIECE_BYTES);
  });

describe("a late piece", () => {
  beforeEach(() => {
    t.members = ["peer", "other", "third"];
  });

  it("is requested from a holder", async () => {
    const { it, store, stats } = exchange();
    it.announced(t.segment, SLICES, true);
    deliverFromPeer(it, [3]);
    await arrived(stats, 3);
    it.frame("other", encodeHave(0, 7, 0b1111).buffer);
    await pass(300);
    expect(requests()).toEqual([]);
    await pass(1_000);
    expect(requests()).toEqual([["other", 2]]);
    deliverFromPeer(it, [2]);
    await it.want(t.segment, never());
    expect(store.ranges).toEqual([OWN_RANGE]);
    expect(stats.segments).toMatchObject({ requested: 1, stepped_in: 0, deadline_fetches: 0 });
  });

  it("is requested from another member if the first does not answer", async () => {
    const { it, stats } = exchange();
    it.announced(t.segment, SLICES, true);
    deliverFromPeer(it, [3]);
    await arrived(stats, 3);
    it.frame("other", encodeHave(0, 7, 0b1111).buffer);
    await pass(1_500);
    it.frame("third", encodeHave(0, 7, 0b0100).buffer);
    await pass(1_500);
    expect(requests()).toEqual([
      ["other", 2],
      ["third", 2],
    ]);
  });

  it("is requested at once if nobody was to push it", async () => {
    const { it } = exchange();
    const [own, peers] = SLICES;
    it.announced(t.segment, own && peers ? [own, { ...peers, pushedBy: "stranger" }] : [], true);
    it.frame("other", encodeHave(0, 7, 0b1100).buffer);
    t.linkedAt = 5_000; // the link to the member that was to push it opened too late
    await pass(100);
    expect(requests()).toEqual([
      ["other", 2],
      ["other", 3],
    ]);
  });

  it("is fetched and pushed by the owner's successor when most members lack it", async () => {
    const { it, store, stats } = exchange();
    const [own, peers] = SLICES;
    it.announced(t.segment, own && peers ? [own, { ...peers, successors: ["me"] }] : [], true);
    it.frame("third", encodeHave(0, 7, 0b1100).buffer);
    await pass(1_500);
    await until(() => {
      expect(t.pushed.filter(([, piece]) => piece >= 2).sort()).toEqual([
        ["other", 2],
        ["other", 3],
        ["peer", 2],
        ["peer", 3],
      ]);
    });
    expect(store.ranges).toEqual([OWN_RANGE, PEERS_RANGE]);
    expect(stats.segments).toMatchObject({ stepped_in: 2, deadline_fetches: 0 });
  });

  it("is left to the first successor for the same time again", async () => {
    const { it, store } = exchange();
    const [own, peers] = SLICES;
    const successors = ["other", "me"];
    it.announced(t.segment, own && peers ? [own, { ...peers, successors }] : [], true);
    await pass(1_500);
    expect(store.ranges).toEqual([OWN_RANGE]);
    await pass(1_000);
    expect(store.ranges).toEqual([OWN_RANGE, PEERS_RANGE]);
  });

  it("is made known: what is here of a late segment, and all of a complete one", async () => {
    const { it } = exchange();
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect(t.pushed).toHaveLength(6);
    });
    await pass(1_000);
    expect(availabilitySent()).toEqual(t.members.map((id) => [id, 0b0011]));
    deliverFromPeer(it, [2, 3]);
    await until(() => {
      expect(availabilitySent().slice(3)).toEqual(t.members.map((id) => [id, 0b1111]));
    });
    it.linkOpened("late");
    expect(availabilitySent().at(-1)).toEqual(["late", 0b1111]);
    it.memberSwitched("other");
    expect(availabilitySent().at(-1)).toEqual(["other", 0b1111]);
  });
});

describe("a member without a link to the owner", () => {
  it("gets its pieces from the relay", async () => {
    const { it } = exchange();
    const [own, peers] = SLICES;
    it.announced(t.segment, own && peers ? [own, { ...peers, relayTo: ["other"] }] : [], true);
    deliverFromPeer(it, [2, 3]);
    await until(() => {
      expect(t.pushed.filter(([id]) => id === "other").sort()).toEqual([
        ["other", 2],
        ["other", 3],
      ]);
    });
  });
});

describe("a member that requests a piece", () => {
  it("is served what is here, within limits", async () => {
    const { it } = exchange();
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect(t.pushedToPeer).toHaveLength(2);
    });
    it.frame("peer", encodeRequest(0, 7, 3).buffer);
    it.frame("peer", encodeRequest(0, 9, 0).buffer);
    expect(t.pushedToPeer).toHaveLength(2);
    for (let nth = 0; nth < 20; nth += 1) it.frame("peer", encodeRequest(0, 7, 0).buffer);
    expect(t.pushedToPeer).toHaveLength(2 + 2 * 4);
    expect(t.expelled).toEqual([]);
  });
});
