import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SegmentPieces, rangesOf } from "../../src/engine/pieces";
import { content, descriptor } from "../support";

describe("the pieces of a segment", () => {
  it("make up the segment whatever the order they come in", () => {
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
            expect(pieces.claim(index)).toBe(true);
            pieces.put(index, bytes.subarray(first, first + pieces.lengthOf(index)));
          }
          expect(pieces.complete).toBe(true);
          expect(new Uint8Array(pieces.copy())).toEqual(bytes);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("are claimed by one source at a time", () => {
    const pieces = new SegmentPieces(descriptor(1));
    expect(pieces.claim(0)).toBe(true);
    expect(pieces.claim(0)).toBe(false);
    pieces.release(0);
    expect(pieces.claim(0)).toBe(true);
    pieces.put(0, content(pieces.lengthOf(0)));
    expect(pieces.claim(0)).toBe(false);
    expect(pieces.missing()).toEqual([1, 2, 3]);
  });

  it("are handed out as a copy, which the receiver may take away", () => {
    const pieces = new SegmentPieces(descriptor(1, 10));
    pieces.claim(0);
    pieces.put(0, content(10));
    structuredClone(pieces.copy(), { transfer: [pieces.copy()] });
    expect(pieces.copy().byteLength).toBe(10);
  });

  it("know their length, 0 outside the segment", () => {
    const pieces = new SegmentPieces(descriptor(1));
    expect([-1, 0, 3, 4].map((index) => pieces.lengthOf(index))).toEqual([0, 16_384, 100, 0]);
  });
});

it("ranges join neighbours", () => {
  expect(rangesOf([0, 1, 4, 6, 7])).toEqual([
    { first: 0, end: 2 },
    { first: 4, end: 5 },
    { first: 6, end: 8 },
  ]);
});
