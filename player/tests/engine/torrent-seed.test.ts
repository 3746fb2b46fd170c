import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TorrentSeedClient } from "../../src/engine/torrent-seed";
import type { Descriptor } from "../../src/protocol/messages";
import { PIECE_BYTES, content, descriptor } from "../support";
import { FakeWebTorrent, fakeWebTorrent } from "./webtorrent";

const SIZE = 4 * PIECE_BYTES;
const BYTES = content(PIECE_BYTES);
let load: ReturnType<typeof vi.fn<() => Promise<typeof fakeWebTorrent>>>;
let seedClient: TorrentSeedClient;
let arrived: number[];

beforeEach(() => {
  vi.useFakeTimers();
  FakeWebTorrent.all = [];
  arrived = [];
  load = vi.fn(() => Promise.resolve(fakeWebTorrent));
  seedClient = new TorrentSeedClient({
    policy: "standby",
    tracker: new URL("wss://tv.test/ws"),
    iceServers: [{ urls: "stun:stun.test" }],
    load,
    now: () => Date.now(),
    random: () => 1,
  });
});
afterEach(() => {
  seedClient.close();
  vi.useRealTimers();
});

function segment(sequence: number): Descriptor {
  return { ...descriptor(sequence, SIZE), infohash: String(sequence).padStart(40, "0") };
}
function fetching(sequence: number, indices: number[], signal = new AbortController().signal) {
  const outcome = seedClient
    .fetch(segment(sequence), indices, { signal, onPiece: (index) => arrived.push(index) })
    .then(
      () => "arrived",
      (error: unknown) => String(error),
    );
  return outcome;
}
async function torrent(nth = 0) {
  await vi.advanceTimersByTimeAsync(0);
  const found = FakeWebTorrent.all[0]?.torrents[nth];
  if (!found) throw new Error("no torrent was added");
  return found;
}

describe("pieces from the seed", () => {
  it("come only from the tracker's peers, only those requested, and then the torrent is closed", async () => {
    expect(load).not.toHaveBeenCalled();
    const outcome = fetching(7, [1, 2]);
    const it = await torrent();
    expect(it.magnet).toBe(
      `magnet:?xt=urn:btih:${segment(7).infohash ?? ""}&tr=wss%3A%2F%2Ftv.test%2Fws`,
    );
    expect(FakeWebTorrent.all[0]?.options).toMatchObject({
      dht: false,
      lsd: false,
      utPex: false,
      webSeeds: false,
      tracker: { rtcConfig: { iceServers: [{ urls: "stun:stun.test" }] } },
    });
    expect(it.options.deselect).toBe(true);
    it.ready(SIZE, PIECE_BYTES);
    expect([...it.selected]).toEqual([1, 2]);
    it.bring(1, BYTES);
    expect(it.destroyed).toBe(false);
    it.bring(2, BYTES);
    expect(await outcome).toBe("arrived");
    expect([arrived, it.destroyed]).toEqual([[1, 2], true]);
  });

  it("share one torrent and one client", async () => {
    const outcomes = [fetching(7, [0]), fetching(7, [1])];
    const it = await torrent();
    it.ready(SIZE, PIECE_BYTES);
    it.bring(0, BYTES);
    expect([await outcomes[0], it.destroyed]).toEqual(["arrived", false]);
    it.bring(1, BYTES);
    expect(await outcomes[1]).toBe("arrived");
    const third = fetching(8, [0]);
    (await torrent(1)).ready(SIZE, PIECE_BYTES);
    (await torrent(1)).bring(0, BYTES);
    expect(await third).toBe("arrived");
    expect([FakeWebTorrent.all.length, load.mock.calls.length]).toEqual([1, 1]);
  });

  it("are canceled when they arrive from elsewhere", async () => {
    const outcome = fetching(7, [0, 1]);
    const it = await torrent();
    it.ready(SIZE, PIECE_BYTES);
    seedClient.cancel(segment(7), 1);
    expect([...it.selected]).toEqual([0]);
    it.bring(0, BYTES);
    expect(await outcome).toBe("arrived");
  });

  it("are rejected if the torrent does not match the segment", async () => {
    const outcome = fetching(7, [0]);
    const it = await torrent();
    it.ready(SIZE, 4 * PIECE_BYTES);
    expect(await outcome).toContain("do not match the segment");
    expect([it.destroyed, seedClient.health.failing]).toEqual([true, true]);
  });

  it("are given up after eight seconds without data", async () => {
    const outcome = fetching(7, [0, 1]);
    const it = await torrent();
    it.ready(SIZE, PIECE_BYTES);
    await vi.advanceTimersByTimeAsync(7_000);
    it.bring(0, BYTES);
    await vi.advanceTimersByTimeAsync(7_000);
    expect(it.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await outcome).toContain("no data for 8000 ms");
    expect(it.destroyed).toBe(true);
  });

  it("are aborted at their timeout, after which more time is expected", async () => {
    const limit = new AbortController();
    const before = seedClient.expectedMs;
    const outcome = fetching(7, [0], limit.signal);
    const it = await torrent();
    await vi.advanceTimersByTimeAsync(1_500);
    limit.abort();
    expect(await outcome).toContain("did not arrive in time");
    expect([it.destroyed, seedClient.health.failing]).toEqual([true, true]);
    expect(seedClient.expectedMs).toBeGreaterThan(before);
    // however slow the seed is: the store is asked soon instead
    expect(seedClient.assistTimeoutMs(segment(7))).toBe(2_000);
  });

  it("come from at most four torrents at a time; the oldest is closed", async () => {
    const outcomes = [1, 2, 3, 4, 5].map((sequence) => fetching(sequence, [0]));
    const first = await torrent();
    expect(await outcomes[0]).toContain("closed to make room");
    expect(first.destroyed).toBe(true);
    expect(FakeWebTorrent.all[0]?.torrents.filter((it) => !it.destroyed)).toHaveLength(4);
  });

  it("wait for webtorrent only so long, and load it again next time", async () => {
    load.mockImplementationOnce(() => Promise.reject(new Error("404")));
    expect(await fetching(7, [0])).toContain("404");
    load.mockImplementationOnce(() => new Promise(() => undefined));
    const outcome = fetching(7, [0]);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(await outcome).toContain("did not load within 8000 ms");
    expect(load).toHaveBeenCalledTimes(2);
  });

  it("end with the page, and so does the client", async () => {
    const outcome = fetching(7, [0]);
    const it = await torrent();
    seedClient.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(await outcome).toContain("closed");
    expect([it.destroyed, FakeWebTorrent.all[0]?.destroyed]).toEqual([true, true]);
  });
});

it("nothing is uploaded: nobody is unchoked, nothing is kept, other viewers are refused", async () => {
  void fetching(7, [0]);
  const torrents = await torrent();
  const seed = torrents.connect("-LT2110-abcdefghijkl");
  seed.unchoke();
  expect([seed.unchoked, seed.destroyed]).toEqual([false, false]);
  expect(torrents.connect("-SV0001-abcdefghijkl").destroyed).toBe(true);
  const kept = new Promise((resolve) => {
    torrents.store.get(0, {}, resolve);
  });
  torrents.ready(SIZE, PIECE_BYTES);
  torrents.bring(0, BYTES);
  await expect(kept).resolves.toBeInstanceOf(Error);
});
