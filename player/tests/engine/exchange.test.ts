import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Mesh } from "../../src/engine/connections";
import { Exchange } from "../../src/engine/exchange";
import type { Slice } from "../../src/engine/plan";
import type { Descriptor } from "../../src/engine/protocol";
import { Stats } from "../../src/engine/stats";
import { Store } from "../../src/engine/store";
import { encodePiece } from "../../src/engine/wire";
import type { StoreDouble } from "../support";
import { PIECE_BYTES, published, storeOf, verify } from "../support";

const SIZE = 4 * PIECE_BYTES;
const SLICES: Slice[] = [
  { first: 0, end: 2, owner: "me" },
  { first: 2, end: 4, owner: "peer" },
];
const OWN_RANGE = `bytes=0-${2 * PIECE_BYTES - 1}`;
const PEERS_RANGE = `bytes=${2 * PIECE_BYTES}-${4 * PIECE_BYTES - 1}`;
const never = () => new AbortController().signal;

let bytes: Uint8Array<ArrayBuffer>;
let segment: Descriptor;
let clock: number;
let buffered: number;
let linkedAt: number | null;
let broadcast: number[];
let closed: string[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "setTimeout", "clearInterval", "clearTimeout"] });
  ({ descriptor: segment, bytes } = await published(7, SIZE));
  clock = 1_000;
  buffered = 8;
  linkedAt = 0;
  broadcast = [];
  closed = [];
});
afterEach(() => {
  vi.useRealTimers();
});

function exchange(store: StoreDouble = storeOf(bytes)) {
  const stats = new Stats();
  const mesh = {
    get size() {
      return linkedAt === null ? 0 : 1;
    },
    openedAt: () => linkedAt,
    broadcast: (_: Descriptor, index: number) => broadcast.push(index),
    expel: (id: string) => closed.push(id),
  } as unknown as Mesh;
  const it = new Exchange({
    store: new Store({ fetch: store.fetch }),
    stats,
    verify,
    mesh,
    now: () => clock,
    you: () => "me",
    bufferedS: () => buffered,
    sharing: () => linkedAt !== null,
  });
  return { it, stats, store };
}
function fromPeer(it: Exchange, indices: number[], data = bytes): void {
  for (const index of indices) {
    const piece = data.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
    for (const frame of encodePiece(0, segment.sequence, index, piece))
      it.frame("peer", frame.buffer);
  }
}
/** Hashing takes its own threads, so wait for what should come of it. */
const until = (check: () => void) => vi.waitFor(check, { interval: 1 });

describe("a segment in a room", () => {
  it("comes half from the store, handed on, and half from the peer", async () => {
    const { it, stats, store } = exchange();
    it.announced(segment, SLICES, true);
    await until(() => {
      expect([...broadcast].sort()).toEqual([0, 1]);
    });
    fromPeer(it, [2, 3]);
    const { pieces } = await it.want(segment, never());
    expect(new Uint8Array(pieces.copy())).toEqual(bytes);
    expect(store.ranges).toEqual([OWN_RANGE]);
    expect(stats.share).toBe(0.5);
    expect(stats.segments).toMatchObject({ complete: 1, deadline_fetches: 0, duplicates: 0 });
  });

  it("gets what the peer did not bring from the store at the deadline", async () => {
    const { it, stats, store } = exchange();
    it.announced(segment, SLICES, true);
    await until(() => {
      expect(broadcast).toHaveLength(2);
    });
    fromPeer(it, [3]);
    const wanted = it.want(segment, never());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([OWN_RANGE]);
    buffered = 2;
    await vi.advanceTimersByTimeAsync(100);
    await wanted;
    expect(store.ranges).toEqual([OWN_RANGE, `bytes=${2 * PIECE_BYTES}-${3 * PIECE_BYTES - 1}`]);
    expect(stats.segments.deadline_fetches).toBe(1);
    expect([...broadcast].sort()).toEqual([0, 1]);
  });

  it("comes at once from the store at start-up, and when its owner is not linked", async () => {
    for (const [ahead, opened] of [
      [0, 0],
      [8, null],
      [8, 2_000],
    ] as const) {
      [buffered, linkedAt] = [ahead, opened];
      const { it, store } = exchange();
      it.announced(segment, SLICES, true);
      await it.want(segment, never());
      expect(store.ranges).toEqual([OWN_RANGE, PEERS_RANGE]);
    }
  });

  it("is waited for when the playlist is faster than signaling", async () => {
    const { it, store } = exchange();
    const wanted = it.want(segment, never());
    expect(store.ranges).toEqual([]);
    it.announced(segment, SLICES, true);
    fromPeer(it, [2, 3]);
    await wanted;
    expect(store.ranges).toEqual([OWN_RANGE]);
  });

  it("takes pieces that overtook the announcement", async () => {
    const before = await published(6, SIZE);
    const { it, store } = exchange();
    it.announced(before.descriptor, [], true);
    fromPeer(it, [2, 3]);
    it.announced(segment, SLICES, true);
    await it.want(segment, never());
    expect(store.ranges).toEqual([OWN_RANGE]);
  });

  it("is not fetched again when signaling announces it again", async () => {
    const { it, store } = exchange();
    const later = await published(8, SIZE);
    it.announced(later.descriptor, [], true);
    it.announced(segment, SLICES, true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([]);
  });

  it("is fetched further when hls.js gives up waiting", async () => {
    const { it } = exchange();
    const abort = new AbortController();
    it.announced(segment, SLICES, true);
    const wanted = it.want(segment, abort.signal);
    abort.abort();
    await expect(wanted).rejects.toThrow("no longer wanted");
    await until(() => {
      expect([...broadcast].sort()).toEqual([0, 1]);
    });
    fromPeer(it, [2, 3]);
    await it.want(segment, never());
  });
});

describe("a request that hls.js gave up", () => {
  it("before it began fetches nothing", async () => {
    const { it, store } = exchange();
    await expect(it.want(segment, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(store.ranges).toEqual([]);
  });

  it("leaves no listener behind when it is served", async () => {
    linkedAt = null;
    const { it } = exchange();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await it.want(segment, signal);
    expect(added).toHaveBeenCalledOnce();
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
  });
});

describe("bad bytes", () => {
  it("of a peer close its link and never count", async () => {
    const { it, stats } = exchange();
    it.announced(segment, SLICES, true);
    fromPeer(
      it,
      [2],
      bytes.map((byte) => byte ^ 1),
    );
    await until(() => {
      expect(closed).toEqual(["peer"]);
    });
    expect(stats.segments.bad_pieces).toBe(1);
    expect(stats.total.bytes.p2p).toBe(0);
  });

  it.each([
    ["a frame of nonsense", Uint8Array.of(1, 2, 3)],
    ["a piece that the segment has not", [...encodePiece(0, 7, 9, new Uint8Array(PIECE_BYTES))][0]],
    ["a piece of another length", [...encodePiece(0, 7, 2, new Uint8Array(100))][0]],
  ])("close the link: %s", (_, frame) => {
    const { it } = exchange();
    it.announced(segment, SLICES, true);
    if (frame) it.frame("peer", frame.buffer);
    expect(closed).toEqual(["peer"]);
  });

  it("of the store are fetched once more, past the cache", async () => {
    const wrong = bytes.slice();
    wrong[PIECE_BYTES + 5] = (wrong[PIECE_BYTES + 5] ?? 0) ^ 1;
    linkedAt = null;
    const { it, store, stats } = exchange(
      storeOf(bytes, (nth, right) => (nth === 1 ? new Response(wrong) : right)),
    );
    await it.want(segment, never());
    expect(store.ranges).toEqual(["", `bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`]);
    expect(stats.segments.bad_pieces).toBe(1);
  });

  it("of the store are an error when they come twice; a later attempt may succeed", async () => {
    linkedAt = null;
    const wrong = () => new Response(bytes.map((byte) => byte ^ 1));
    const { it } = exchange(storeOf(bytes, (nth, right) => (nth <= 2 ? wrong() : right)));
    await expect(it.want(segment, never())).rejects.toThrow("wrong hash");
    await it.want(segment, never());
  });
});

it("bytes of segments from before this viewer was ready count as start-up", async () => {
  const { it, stats } = exchange();
  it.announced(segment, [], false);
  await it.want(segment, never());
  const next = await published(8, SIZE);
  expect(stats.total.startup.store).toBe(SIZE);
  it.announced(next.descriptor, SLICES, true);
  expect(it.startup.includes(7)).toBe(true);
  expect(it.startup.includes(8)).toBe(false);
});

it("what is asked for without announcements is start-up for 15 seconds and no more", async () => {
  linkedAt = null;
  const { it, stats } = exchange();
  await it.want(segment, never());
  clock += 15_001;
  const next = await published(8, SIZE);
  await it.want(next.descriptor, never()).catch(() => undefined);
  expect(stats.total.startup.store).toBe(SIZE);
  expect(it.startup.includes(8)).toBe(false);
});
