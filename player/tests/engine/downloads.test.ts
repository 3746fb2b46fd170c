import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Exchange } from "../../src/engine/exchange";
import { TorrentSeedClient } from "../../src/engine/torrent-seed";
import type { SeedPolicy } from "../../src/engine/torrent-seed";
import { decodeFrame, encodeHave } from "../../src/protocol/frames";
import type { StoreDouble } from "../support";
import { PIECE_BYTES, published, storeOf } from "../support";
import {
  OWN_RANGE,
  SIZE,
  SLICES,
  reset,
  exchange,
  deliverFromPeer,
  never,
  t,
  until,
} from "./exchange-harness";
import { FakeWebTorrent, fakeWebTorrent } from "./webtorrent";

const FIRST_PIECE = `bytes=0-${PIECE_BYTES - 1}`;
let running: Exchange[];

beforeEach(async () => {
  await reset();
  FakeWebTorrent.all = [];
  running = [];
  useSeed("standby");
});
afterEach(() => {
  for (const it of running) it.close();
  vi.useRealTimers();
});

function useSeed(policy: SeedPolicy): void {
  t.segment = { ...t.segment, infohash: "a".repeat(40) };
  t.seedClient = new TorrentSeedClient({
    policy,
    tracker: new URL("wss://tv.test/ws"),
    iceServers: [],
    load: () => Promise.resolve(fakeWebTorrent),
    now: () => t.clock,
  });
}
function started(store: StoreDouble) {
  const found = exchange(store);
  running.push(found.it);
  return found;
}
const refusing = (status: number) => storeOf(t.bytes, () => new Response("", { status }));
const unresponsive = (): StoreDouble => {
  const ranges: string[] = [];
  const fetch: typeof globalThis.fetch = (_, init) => {
    ranges.push(new Headers(init?.headers).get("Range") ?? "");
    return new Promise((_resolve, reject) => {
      init?.signal?.addEventListener("abort", () => {
        reject(init.signal?.reason as Error);
      });
    });
  };
  return { fetch, ranges };
};
const torrents = () => FakeWebTorrent.all[0]?.torrents ?? [];
/** Advance timers and the clock. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    t.clock += 100;
    await vi.advanceTimersByTimeAsync(100);
  }
}
/** The seed has the segment and delivers what is requested. */
async function deliver(nth = 0): Promise<number[]> {
  await until(() => {
    expect(torrents()).toHaveLength(nth + 1);
  });
  const torrent = torrents()[nth];
  torrent?.ready(SIZE, PIECE_BYTES);
  const asked = [...(torrent?.selected ?? [])];
  for (const index of asked)
    torrent?.bring(index, t.bytes.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES));
  return asked;
}

describe.each([503, 403, 404])("while the store answers %d", (status) => {
  it("an owner fetches its slice from the seed, pushes it, and counts it", async () => {
    const { it, stats, store } = started(refusing(status));
    it.announced(t.segment, SLICES, true);
    expect(await deliver()).toEqual([0, 1]);
    await until(() => {
      expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
    });
    expect(stats.total.bytes).toEqual({ p2p: 0, store: 0, seed: 2 * PIECE_BYTES });
    expect(store.ranges).toEqual([OWN_RANGE]);
    expect(torrents()[0]?.destroyed).toBe(true);
  });

  it("a viewer without peers fetches everything from the seed", async () => {
    t.linkedAt = null;
    const { it, stats } = started(refusing(status));
    const wanted = it.want(t.segment, never());
    expect(await deliver()).toEqual([0, 1, 2, 3]);
    const { pieces } = await wanted;
    expect(new Uint8Array(pieces.copy())).toEqual(t.bytes);
    expect(stats.total.bytes.seed).toBe(SIZE);
  });

  it("a viewer that waits for peers fetches only its own slice from the seed", async () => {
    t.buffered = 1;
    const { it } = started(refusing(status));
    it.announced(t.segment, SLICES, true);
    const wanted = it.want(t.segment, never());
    expect(await deliver()).toEqual([0, 1]);
    await pass(2_000);
    expect(torrents()).toHaveLength(1);
    deliverFromPeer(it, [2, 3]);
    await wanted;
  });

  it("a viewer with an empty buffer waits for peers no longer than three seconds", async () => {
    t.buffered = 0;
    const { it } = started(refusing(status));
    it.announced(t.segment, SLICES, true);
    const wanted = it.want(t.segment, never());
    expect(await deliver()).toEqual([0, 1]);
    await pass(2_900);
    expect(torrents()).toHaveLength(1);
    await pass(200);
    expect(await deliver(1)).toEqual([2, 3]);
    await wanted;
  });
});

describe("while the store is quiet", () => {
  it("an owner asks the seed after a second", async () => {
    const { it, store } = started(unresponsive());
    it.announced(t.segment, SLICES, true);
    await pass(700);
    expect(torrents()).toHaveLength(0);
    await pass(400);
    expect(await deliver()).toEqual([0, 1]);
    await until(() => {
      expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
    });
    expect(store.ranges).toEqual([OWN_RANGE]);
  });

  it("a piece is requested from its holder despite the store attempt", async () => {
    const { it } = started(unresponsive());
    it.announced(t.segment, SLICES, true);
    it.frame("peer", encodeHave(0, t.segment.sequence, 0b1).buffer);
    await pass(700);
    expect(t.frames).toEqual([]);
    await pass(600);
    const requests = t.frames.map(([, frame]) => decodeFrame(frame.buffer));
    expect(requests).toContainEqual(expect.objectContaining({ type: "request", piece: 0 }));
  });

  it("one piece at a time probes it, and nothing waits for it", async () => {
    const { it, store } = started(unresponsive());
    it.announced(t.segment, SLICES, true);
    await pass(1_100);
    await deliver();
    await pass(5_000);
    const next = await published(8, SIZE);
    t.segment = { ...next.descriptor, infohash: "b".repeat(40) };
    t.bytes = next.bytes;
    it.announced(t.segment, SLICES, true);
    expect(await deliver(1)).toEqual([0, 1]);
    expect(store.ranges).toEqual([OWN_RANGE, FIRST_PIECE]);
  });
});

it("a segment that only the seed has is not requested from the store", async () => {
  t.segment = { ...t.segment, stored: false };
  const { it, store } = started(storeOf(() => t.bytes));
  it.announced(t.segment, SLICES, true);
  expect(await deliver()).toEqual([0, 1]);
  const next = await published(8, SIZE);
  t.segment = { ...next.descriptor, infohash: "b".repeat(40) };
  t.bytes = next.bytes;
  it.announced(t.segment, SLICES, true);
  await until(() => {
    expect(t.pushedToPeer).toHaveLength(4);
  });
  expect([store.ranges, torrents().length]).toEqual([[OWN_RANGE], 1]);
});

it("the store is used again once it has answered", async () => {
  const store = storeOf(
    () => t.bytes,
    (nth, right) => (nth === 1 ? new Response("", { status: 503 }) : right),
  );
  const { it, stats } = started(store);
  it.announced(t.segment, SLICES, true);
  await deliver();
  for (const sequence of [8, 9]) {
    await pass(5_000);
    const next = await published(sequence, SIZE);
    t.segment = { ...next.descriptor, infohash: String(sequence).repeat(40) };
    t.bytes = next.bytes;
    it.announced(t.segment, SLICES, true);
    if (sequence === 8) await deliver(1);
    await until(() => {
      expect(store.ranges).toHaveLength(sequence - 6);
    });
  }
  expect(store.ranges).toEqual([OWN_RANGE, FIRST_PIECE, OWN_RANGE]);
  await until(() => {
    expect(stats.total.bytes.store).toBe(3 * PIECE_BYTES);
  });
  expect(torrents()).toHaveLength(2);
});

it("without a torrent the store is retried as usual, and then the waiter fails", async () => {
  t.segment = { ...t.segment, infohash: null };
  t.linkedAt = null;
  const { it, store } = started(refusing(503));
  const wanted = expect(it.want(t.segment, never())).rejects.toThrow("answered HTTP 503");
  await pass(2_000);
  await wanted;
  expect(store.ranges).toEqual(["", "", ""]);
});

it("a waiter fails when neither store nor seed has the segment", async () => {
  t.linkedAt = null;
  const { it } = started(refusing(404));
  const wanted = expect(it.want(t.segment, never())).rejects.toThrow("do not match the segment");
  await until(() => {
    expect(torrents()).toHaveLength(1);
  });
  torrents()[0]?.ready(SIZE, 2 * PIECE_BYTES);
  await wanted;
});

describe('with the policy "assist"', () => {
  beforeEach(() => {
    useSeed("assist");
  });

  it("the seed is asked first, and the store not at all if the seed delivers", async () => {
    const { it, stats, store } = started(storeOf(t.bytes));
    it.announced(t.segment, SLICES, true);
    expect(await deliver()).toEqual([0, 1]);
    await until(() => {
      expect([...t.pushedToPeer].sort()).toEqual([0, 1]);
    });
    await pass(3_000);
    expect([store.ranges, stats.total.bytes.seed]).toEqual([[], 2 * PIECE_BYTES]);
  });

  it("the store takes over late pieces, and goes first for a while", async () => {
    const { it, store } = started(storeOf(() => t.bytes));
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect(torrents()).toHaveLength(1);
    });
    const [torrent] = torrents();
    torrent?.ready(SIZE, PIECE_BYTES);
    torrent?.bring(0, t.bytes.slice(0, PIECE_BYTES));
    await until(() => {
      expect(t.pushedToPeer).toEqual([0]);
    });
    await pass(1_000);
    await until(() => {
      expect(t.pushedToPeer).toEqual([0, 1]);
    });
    expect(store.ranges).toEqual([`bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`]);
    expect(torrent?.destroyed).toBe(true);
    const next = await published(8, SIZE);
    t.segment = { ...next.descriptor, infohash: "b".repeat(40) };
    t.bytes = next.bytes;
    it.announced(t.segment, SLICES, true);
    await until(() => {
      expect(t.pushedToPeer).toHaveLength(4);
    });
    expect([store.ranges.at(-1), torrents().length]).toEqual([OWN_RANGE, 1]);
  });

  it("pieces that only the player needs come from the store", async () => {
    t.linkedAt = null;
    const { it, store } = started(storeOf(t.bytes));
    await it.want(t.segment, never());
    expect([store.ranges, torrents().length]).toEqual([[""], 0]);
  });
});
