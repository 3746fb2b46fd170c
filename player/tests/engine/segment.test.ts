import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Segment } from "../../src/engine/segment";
import {
  MAX_SEGMENTS,
  MAX_SEGMENT_MEMORY_BYTES,
  SegmentCache,
  SegmentPieces,
  rangesOf,
} from "../../src/engine/segment";
import { content, descriptor } from "../support";

const sequences = (cache: SegmentCache) =>
  [...cache.all()].map((segment) => segment.descriptor.sequence).sort((a, b) => a - b);

describe("cached segments", () => {
  it("are bounded in number; those farthest from the playhead are evicted first", () => {
    const evicted: Segment[] = [];
    const cache = new SegmentCache((segment) => evicted.push(segment));
    for (let sequence = 1; sequence <= 40; sequence += 1)
      cache.getOrAdd(descriptor(sequence), sequence);
    expect(sequences(cache)).toHaveLength(MAX_SEGMENTS);
    expect(sequences(cache)[0]).toBe(40 - MAX_SEGMENTS + 1);
    expect(evicted).toHaveLength(40 - MAX_SEGMENTS);
  });

  it("are bounded in bytes", () => {
    const cache = new SegmentCache(() => undefined);
    const size = MAX_SEGMENT_MEMORY_BYTES / 4;
    for (let sequence = 1; sequence <= 8; sequence += 1)
      cache.getOrAdd({ ...descriptor(sequence), size, pieceSize: 2 ** 20 }, sequence);
    expect(sequences(cache)).toEqual([5, 6, 7, 8]);
  });

  it("are kept around a playhead in the past, as are the newest, which members need", () => {
    const cache = new SegmentCache(() => undefined);
    for (let sequence = 1; sequence <= 60; sequence += 1)
      cache.getOrAdd(descriptor(sequence), Math.min(sequence, 10));
    expect(sequences(cache)).toContain(10);
    expect(sequences(cache).slice(-3)).toEqual([58, 59, 60]);
  });

  it("are never evicted while somebody waits", () => {
    const cache = new SegmentCache(() => undefined);
    const waited = cache.getOrAdd(descriptor(1), 1);
    waited.waiters.add({ startedAt: 0, done: () => undefined, failed: () => undefined });
    for (let sequence = 2; sequence <= 60; sequence += 1)
      cache.getOrAdd(descriptor(sequence), sequence);
    expect(cache.get(0, 1)).toBe(waited);
  });

  it("are identified by URL: a sequence with another URL is another segment", () => {
    const cache = new SegmentCache(() => undefined);
    const before = cache.getOrAdd(descriptor(1), 1);
    expect(cache.getOrAdd(descriptor(1), 1)).toBe(before);
    expect(cache.getOrAdd({ ...descriptor(1), url: "https://media.test/live/0/b.ts" }, 1)).not.toBe(
      before,
    );
  });

  it("have a longer completion time if the store had to complete them", () => {
    const segment = new SegmentCache(() => undefined).getOrAdd(descriptor(1), 1);
    expect(segment.completionMs(5_000)).toBeNull();
    segment.announcedAt = 4_000;
    expect(segment.completionMs(5_000)).toBe(1_000);
    segment.late = true;
    expect(segment.completionMs(5_000)).toBe(1_500);
  });

  it("count as transfer time only what the network needed", () => {
    const segment = new SegmentCache(() => undefined).getOrAdd(descriptor(1), 1);
    for (const at of [1_000, 1_050, 1_100, 9_000]) segment.arrived(at);
    expect(segment.transferMs).toBe(200 + 50 + 50 + 200);
  });
});

describe("the pieces of a segment", () => {
  it("make up the segment in any order of arrival", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300_000 }),
        fc.infiniteStream(fc.nat()),
        (size, dice) => {
          const pieces = new SegmentPieces(descriptor(1, size));
          const bytes = content(size);
          const order = pieces.missing();
          while (order.length > 0) {
            const [index = 0] = order.splice((dice.next().value ?? 0) % order.length, 1);
            const first = index * pieces.descriptor.pieceSize;
            expect(pieces.beginVerification(index)).toBe(true);
            pieces.put(index, bytes.subarray(first, first + pieces.lengthOf(index)));
          }
          expect(pieces.complete).toBe(true);
          expect(new Uint8Array(pieces.copy())).toEqual(bytes);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("are verified from one source at a time", () => {
    const pieces = new SegmentPieces(descriptor(1));
    expect(pieces.beginVerification(0)).toBe(true);
    expect(pieces.beginVerification(0)).toBe(false);
    pieces.failVerification(0);
    expect(pieces.beginVerification(0)).toBe(true);
    pieces.put(0, content(pieces.lengthOf(0)));
    expect(pieces.beginVerification(0)).toBe(false);
    expect(pieces.missing()).toEqual([1, 2, 3]);
  });

  it("are delivered as a copy, which the receiver may transfer", () => {
    const pieces = new SegmentPieces(descriptor(1, 10));
    pieces.beginVerification(0);
    pieces.put(0, content(10));
    structuredClone(pieces.copy(), { transfer: [pieces.copy()] });
    expect(pieces.copy().byteLength).toBe(10);
  });

  it("know their size, 0 outside the segment", () => {
    const pieces = new SegmentPieces(descriptor(1));
    expect([-1, 0, 3, 4].map((index) => pieces.lengthOf(index))).toEqual([0, 16_384, 100, 0]);
  });
});

it("adjacent pieces form ranges", () => {
  expect(rangesOf([0, 1, 4, 6, 7])).toEqual([
    { first: 0, end: 2 },
    { first: 4, end: 5 },
    { first: 6, end: 8 },
  ]);
});
