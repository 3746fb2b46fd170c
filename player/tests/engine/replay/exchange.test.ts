import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { URGENT_BUFFER_S } from "../../../src/engine/replay/policy";
import { MAX_CACHED_SEGMENTS } from "../../../src/engine/replay/segment-cache";
import { encodeHave, encodePiece } from "../../../src/protocol/frames";
import { content, sha256, storeOf } from "../../support";
import { SimulatedReplayRoom, PIECE, SIZE, never, pass, segment, settled } from "./simulated-room";

let room: SimulatedReplayRoom;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  room = new SimulatedReplayRoom();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a segment of a replay", () => {
  it("comes from a member that has it, complete and verified", async () => {
    const first = room.add("first");
    const second = room.add("second");
    await settled(first.exchange.want(await segment(3), never));
    await pass(50);
    const got = await settled(second.exchange.want(await segment(3), never));
    expect(new Uint8Array(got.pieces.copy())).toEqual(content(SIZE));
    expect(second.stats.total.bytes).toEqual({ p2p: SIZE, store: 0, seed: 0 });
    expect(first.stats.total).toMatchObject({ bytes: { p2p: 0 }, uploaded: SIZE });
    expect(first.stats.total.bytes.store).toBe(SIZE);
    expect(second.store.ranges).toEqual([]);
  });

  it("is also requested by a member that joins later", async () => {
    const first = room.add("first");
    await settled(first.exchange.want(await segment(3), never));
    const second = room.add("second");
    await pass(50);
    await settled(second.exchange.want(await segment(3), never));
    expect(second.stats.total.bytes.p2p).toBe(SIZE);
  });

  it("comes from the store at once if there is no time", async () => {
    const first = room.add("first");
    await settled(first.exchange.want(await segment(3), never));
    const second = room.add("second", { bufferedS: URGENT_BUFFER_S - 1 });
    const startedAt = Date.now();
    await settled(second.exchange.want(await segment(3), never));
    expect(second.stats.total.bytes).toMatchObject({ p2p: 0, store: SIZE });
    expect(Date.now() - startedAt).toBeLessThan(200);
  });

  it("comes from the store if nobody has it", async () => {
    const alone = room.add("alone");
    room.add("elsewhere");
    const startedAt = Date.now();
    await settled(alone.exchange.want(await segment(3), never));
    expect(alone.stats.total.bytes.store).toBe(SIZE);
    expect(Date.now() - startedAt).toBeLessThan(200);
  });

  it("is fetched once by viewers that need it at the same time", async () => {
    const viewers = ["a", "b", "c", "d"].map((id) => room.add(id));
    for (const viewer of viewers) await settled(viewer.exchange.want(await segment(3), never));
    await pass(50);
    const before = viewers.map(({ stats }) => stats.total.bytes.store);
    for (const sequence of [4, 5, 6, 7]) {
      const wanted = await segment(sequence);
      await settled(Promise.all(viewers.map(({ exchange }) => exchange.want(wanted, never))));
      await pass(50);
    }
    const fetched = viewers.map(({ stats }, k) => stats.total.bytes.store - (before[k] ?? 0));
    expect(fetched.reduce((sum, bytes) => sum + bytes, 0)).toBe(4 * SIZE);
    // and not always by the same viewer
    expect(Math.max(...fetched)).toBeLessThan(4 * SIZE);
  });

  it("waits for links that are being made", async () => {
    const alone = room.add("alone", { linking: true });
    const wanted = alone.exchange.want(await segment(3), never);
    await pass(3_000);
    expect(alone.store.ranges).toEqual([]);
    await settled(wanted);
    expect(alone.stats.total.bytes.store).toBe(SIZE);
  });

  it("waits for links from the moment they may be made", async () => {
    let begin = (): void => undefined;
    const mayConnect = new Promise<void>((resolve) => (begin = resolve));
    const alone = room.add("alone", { linking: true, mayConnect });
    await pass(6_000);
    begin();
    const wanted = alone.exchange.want(await segment(3), never);
    await pass(3_000);
    expect(alone.store.ranges).toEqual([]);
    await settled(wanted);
  });

  it("is requested from another member, and then from the store, if nothing arrives", async () => {
    const holders = ["a", "b"].map((id) => room.add(id));
    for (const viewer of holders) await settled(viewer.exchange.want(await segment(3), never));
    const viewer = room.add("viewer");
    await pass(50);
    room.unresponsive = new Set(["a"]);
    await settled(viewer.exchange.want(await segment(3), never));
    expect(viewer.stats.total.bytes.p2p).toBe(SIZE);
    const [deaf] = holders;
    if (deaf) await settled(deaf.exchange.want(await segment(4), never));
    await pass(50);
    await settled(viewer.exchange.want(await segment(4), never));
    expect(viewer.stats.total.bytes.store).toBe(SIZE);
  });

  it("is not requested for a while from a member that failed", async () => {
    const holders = ["a", "b"].map((id) => room.add(id));
    room.unresponsive = new Set(["a"]);
    const viewer = room.add("viewer");
    for (const sequence of [3, 4, 5, 6]) {
      for (const { exchange } of holders)
        await settled(exchange.want(await segment(sequence), never));
      await pass(50);
    }
    const startedAt = Date.now();
    for (const sequence of [3, 4, 5, 6])
      await settled(viewer.exchange.want(await segment(sequence), never));
    expect(viewer.stats.total.bytes).toMatchObject({ p2p: 4 * SIZE, store: 0 });
    // one timeout, not four
    expect(Date.now() - startedAt).toBeLessThan(4_000);
    // and a timeout does not make the link look slow
    const again = await settled(viewer.exchange.want(await segment(3), never));
    expect(again.transferMs).toBeLessThan(1_000);
  });

  it("is requested in runs that a sender can queue", async () => {
    const count = 32;
    const size = count * 8 * PIECE;
    const large = {
      ...(await segment(3)),
      ...{ size, pieceSize: 8 * PIECE, sha256: await sha256(content(size)) },
    };
    const holder = room.add("holder", {}, storeOf(content(size)));
    await settled(holder.exchange.want(large, never));
    const viewer = room.add("viewer");
    await pass(50);
    await settled(viewer.exchange.want(large, never));
    expect(viewer.stats.total.bytes).toMatchObject({ p2p: size, store: 0 });
    expect(room.maxQueuedBytes).toBeLessThanOrEqual(1024 * 1024);
  });

  it("is discarded if corrupt, and its sender expelled", async () => {
    const sender = room.add("corrupt");
    await settled(sender.exchange.want(await segment(3), never));
    room.corrupt = new Set(["corrupt"]);
    const viewer = room.add("viewer");
    await pass(50);
    const got = await settled(viewer.exchange.want(await segment(3), never));
    expect(new Uint8Array(got.pieces.copy())).toEqual(content(SIZE));
    expect(viewer.stats.segments.bad_pieces).toBe(1);
    expect(viewer.stats.total.bytes).toMatchObject({ p2p: 0, store: SIZE });
    expect(room.reported).toEqual(["corrupt"]);
    expect([...viewer.expelled]).toEqual(["corrupt"]);
  });

  it("is accepted only from the member that was asked", async () => {
    const viewer = room.add("viewer");
    const wanted = viewer.exchange.want(await segment(3), never);
    for (const frame of encodePiece(0, 3, 0, content(PIECE, 9)))
      viewer.exchange.frame("stranger", frame.buffer);
    await settled(wanted);
    expect(viewer.stats.total.bytes.p2p).toBe(0);
    expect(viewer.stats.segments.duplicates).toBeGreaterThan(0);
  });

  it("is not served by a viewer that does not upload", async () => {
    const quiet = room.add("quiet", { uploads: false });
    await settled(quiet.exchange.want(await segment(3), never));
    const viewer = room.add("viewer");
    await pass(50);
    await settled(viewer.exchange.want(await segment(3), never));
    expect(viewer.stats.total.bytes.p2p).toBe(0);
  });

  it("is evicted when memory is full, and members are told", async () => {
    const viewer = room.add("viewer");
    const other = room.add("other");
    for (let sequence = 0; sequence <= MAX_CACHED_SEGMENTS; sequence += 1)
      await settled(viewer.exchange.want(await segment(sequence), never));
    await pass(50);
    await settled(other.exchange.want(await segment(0), never));
    expect(other.stats.total.bytes.p2p).toBe(0);
    expect(other.stats.segments.requested).toBe(0);
    await settled(other.exchange.want(await segment(5), never));
    expect(other.stats.total.bytes.p2p).toBe(SIZE);
  });

  it("is no longer waited for once the viewer seeks elsewhere", async () => {
    const viewer = room.add("viewer", { linking: true });
    const seek = new AbortController();
    const wanted = viewer.exchange.want(await segment(3), seek.signal);
    seek.abort(new Error("sought"));
    await expect(settled(wanted)).rejects.toThrow("sought");
    // nobody waits for it, so it is not downloaded
    await pass(10_000);
    expect(viewer.store.ranges).toEqual([]);
  });

  it("is delivered to a viewer that comes back before the download has ended", async () => {
    const viewer = room.add("viewer", { linking: true });
    const seek = new AbortController();
    const wanted = viewer.exchange.want(await segment(3), seek.signal);
    const gone = expect(wanted).rejects.toThrow("sought");
    seek.abort(new Error("sought"));
    const again = await settled(viewer.exchange.want(await segment(3), never));
    await gone;
    expect(new Uint8Array(again.pieces.copy())).toEqual(content(SIZE));
    expect(viewer.stats.total.bytes.store).toBe(SIZE);
  });

  it("is delivered to one request when another was aborted", async () => {
    const viewer = room.add("viewer", { linking: true });
    const seek = new AbortController();
    const left = expect(viewer.exchange.want(await segment(3), seek.signal)).rejects.toThrow("x");
    const stays = viewer.exchange.want(await segment(3), never);
    seek.abort(new Error("x"));
    await left;
    expect((await settled(stays)).verified).toBe(true);
  });

  it("is an error if the store's bytes are wrong", async () => {
    const viewer = room.add("viewer");
    const wrong = { ...(await segment(3)), sha256: await sha256(content(SIZE, 2)) };
    await expect(settled(viewer.exchange.want(wrong, never))).rejects.toThrow("wrong hash");
  });

  it("closes the link of a member that sends invalid frames", () => {
    const viewer = room.add("viewer");
    viewer.exchange.frame("other", new ArrayBuffer(3));
    viewer.exchange.frame("other", encodeHave(0, 3, 1).buffer);
    expect([...viewer.expelled]).toEqual(["other"]);
  });
});
