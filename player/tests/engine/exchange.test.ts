import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodePiece } from "../../src/protocol/frames";
import { PIECE_BYTES, published, storeOf } from "../support";
import {
  OWN_RANGE,
  PEERS_RANGE,
  SIZE,
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

describe("a segment in a room", () => {
  it("comes half from the store, pushed to the peer, and half from the peer", async () => {
    const { it, stats, store } = exchange();
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
    });
    deliverFromPeer(it, [2, 3]);
    const { pieces } = await it.want(t.segment, never());
    expect(new Uint8Array(pieces.copy())).toEqual(t.bytes);
    expect(store.ranges).toEqual([OWN_RANGE]);
    expect(stats.share).toBe(0.5);
    expect(stats.segments).toMatchObject({ complete: 1, deadline_fetches: 0, duplicates: 0 });
  });

  it("comes from the store at the deadline where the peer did not deliver", async () => {
    const { it, stats, store } = exchange();
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect(t.pushedToPeer).toHaveLength(2);
    });
    deliverFromPeer(it, [3]);
    await until(() => {
      expect(stats.total.bytes.p2p).toBe(PIECE_BYTES);
    });
    const wanted = it.want(t.segment, never());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([OWN_RANGE]);
    t.buffered = 1.6;
    await vi.advanceTimersByTimeAsync(100);
    await wanted;
    expect(store.ranges).toEqual([OWN_RANGE, `bytes=${2 * PIECE_BYTES}-${3 * PIECE_BYTES - 1}`]);
    expect(stats.segments.deadline_fetches).toBe(1);
    expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
  });

  it("is fetched before the next one is due where uplinks are short", async () => {
    const { it, stats, store } = exchange();
    const slices = SLICES.map((slice, k) => ({ ...slice, first: k, end: k + 1 }));
    it.announced(t.segment, slices, true);
    const wanted = it.want(t.segment, never());
    const fromOrigin = `bytes=${2 * PIECE_BYTES}-${SIZE - 1}`;
    await pass(4_700);
    expect(store.ranges.slice(1)).toEqual([fromOrigin]);
    await pass(200);
    await wanted;
    expect(store.ranges.slice(2)).toEqual([`bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`]);
    // that is as planned, not the room's fault
    expect(stats.segments.deadline_fetches).toBe(0);
  });

  it("is no longer pushed once receivers would have it from the store", async () => {
    const { it } = exchange();
    it.announced(
      t.segment,
      SLICES.map((slice, k) => ({ ...slice, first: k, end: k + 1 })),
      true,
    );
    await until(() => {
      expect(t.stillWanted).toHaveLength(1);
    });
    await pass(4_100);
    expect(t.stillWanted.map((wanted) => wanted())).toEqual([true]);
    await pass(400);
    expect(t.stillWanted.map((wanted) => wanted())).toEqual([false]);
  });

  it("comes from the store at once at start-up, and without a link to its owner", async () => {
    for (const [ahead, opened] of [
      [0, 0],
      [8, null],
    ] as const) {
      [t.buffered, t.linkedAt] = [ahead, opened];
      const { it, store } = exchange();
      it.announced(t.segment, SLICES, true);
      await it.want(t.segment, never());
      expect(store.ranges).toEqual([OWN_RANGE, PEERS_RANGE]);
    }
  });

  it("is waited for when the playlist is faster than signaling", async () => {
    const { it, store } = exchange();
    const wanted = it.want(t.segment, never());
    expect(store.ranges).toEqual([]);
    it.announced(t.segment, SLICES, true);
    deliverFromPeer(it, [2, 3]);
    await wanted;
    expect(store.ranges).toEqual([OWN_RANGE]);
  });

  it("includes pieces that arrived before the announcement", async () => {
    const before = await published(6, SIZE);
    const { it, store } = exchange();
    it.announced(before.descriptor, [], true);
    deliverFromPeer(it, [2, 3]);
    it.announced(t.segment, SLICES, true);
    await it.want(t.segment, never());
    expect(store.ranges).toEqual([OWN_RANGE]);
  });

  it("is not fetched again when signaling announces it again", async () => {
    const { it, store } = exchange();
    const later = await published(8, SIZE);
    it.announced(later.descriptor, [], true);
    it.announced(t.segment, SLICES, true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([]);
  });

  it("is still fetched when hls.js aborts its request", async () => {
    const { it } = exchange();
    const abort = new AbortController();
    it.announced(t.segment, SLICES, true);
    const wanted = it.want(t.segment, abort.signal);
    abort.abort();
    await expect(wanted).rejects.toThrow("no longer requested");
    await until(() => {
      expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
    });
    deliverFromPeer(it, [2, 3]);
    await it.want(t.segment, never());
  });
});

describe("a request aborted by hls.js", () => {
  it("ends when another variant is requested, because the downlink cannot carry both", async () => {
    [t.buffered, t.linkedAt] = [0, null];
    const pending = storeOf(t.bytes);
    const signals: AbortSignal[] = [];
    const { it } = exchange({
      ...pending,
      fetch: (_url, init) => {
        if (init?.signal) signals.push(init.signal);
        return new Promise(() => undefined);
      },
    });
    const abort = new AbortController();
    const wanted = it.want(t.segment, abort.signal);
    abort.abort();
    await expect(wanted).rejects.toThrow("no longer requested");
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    const lower = { ...t.segment, variant: 1, url: t.segment.url.replace("/0/", "/1/") };
    void it.want(lower, never()).catch(() => undefined);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it("before it began fetches nothing", async () => {
    const { it, store } = exchange();
    await expect(it.want(t.segment, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([]);
  });

  it("leaves no listener behind when it succeeds", async () => {
    t.linkedAt = null;
    const { it } = exchange();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await it.want(t.segment, signal);
    expect(added).toHaveBeenCalledOnce();
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
  });
});

describe("bad bytes", () => {
  it("from a peer close its link and do not count", async () => {
    const { it, stats } = exchange();
    it.announced(t.segment, SLICES, true);
    deliverFromPeer(
      it,
      [2],
      t.bytes.map((byte) => byte ^ 1),
    );
    await until(() => {
      expect(t.expelled).toEqual(["peer"]);
    });
    expect(t.reported).toEqual(["peer"]);
    expect(stats.segments.bad_pieces).toBe(1);
    expect(stats.total.bytes.p2p).toBe(0);
  });

  it.each([
    ["an invalid frame", Uint8Array.of(1, 2, 3)],
    ["a piece that the segment has not", [...encodePiece(0, 7, 9, new Uint8Array(PIECE_BYTES))][0]],
    ["a piece of another length", [...encodePiece(0, 7, 2, new Uint8Array(100))][0]],
  ])("close the link: %s", (_, frame) => {
    const { it } = exchange();
    it.announced(t.segment, SLICES, true);
    if (frame) it.frame("peer", frame.buffer);
    expect(t.expelled).toEqual(["peer"]);
  });

  it("from the store are fetched once more, past the cache", async () => {
    const wrong = t.bytes.slice();
    wrong[PIECE_BYTES + 5] = (wrong[PIECE_BYTES + 5] ?? 0) ^ 1;
    t.linkedAt = null;
    const { it, store, stats } = exchange(
      storeOf(t.bytes, (nth, right) => (nth === 1 ? new Response(wrong) : right)),
    );
    await it.want(t.segment, never());
    expect(store.ranges).toEqual(["", `bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`]);
    expect(stats.segments.bad_pieces).toBe(1);
  });

  it("from the store are an error the second time; a later request may succeed", async () => {
    t.linkedAt = null;
    const wrong = () => new Response(t.bytes.map((byte) => byte ^ 1));
    const { it } = exchange(storeOf(t.bytes, (nth, right) => (nth <= 2 ? wrong() : right)));
    await expect(it.want(t.segment, never())).rejects.toThrow("wrong hash");
    await it.want(t.segment, never());
  });
});

it("segments from before this viewer was ready count as start-up", async () => {
  const { it, stats } = exchange();
  it.announced(t.segment, [], false);
  await it.want(t.segment, never());
  const next = await published(8, SIZE);
  expect(stats.total.startup.store).toBe(SIZE);
  it.announced(next.descriptor, SLICES, true);
  expect(it.startup.includes(7)).toBe(true);
  expect(it.startup.includes(8)).toBe(false);
});

it("requests without announcements count as start-up for 15 seconds and no more", async () => {
  t.linkedAt = null;
  const { it, stats } = exchange();
  await it.want(t.segment, never());
  t.clock += 15_001;
  const next = await published(8, SIZE);
  await it.want(next.descriptor, never()).catch(() => undefined);
  expect(stats.total.startup.store).toBe(SIZE);
  expect(it.startup.includes(8)).toBe(false);
});
