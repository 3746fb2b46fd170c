import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EarlyFrames,
  MAX_EARLY_BYTES,
  MAX_PARTIAL_BYTES,
  Reassembler,
} from "../../src/protocol/reassembly";
import type { PieceFrame } from "../../src/protocol/frames";
import { decodeFrame, encodePiece } from "../../src/protocol/frames";
import { content } from "../support";

function frames(sequence: number, piece: number, bytes: Uint8Array): PieceFrame[] {
  return [...encodePiece(0, sequence, piece, bytes)]
    .map((data) => decodeFrame(data.buffer))
    .filter((frame) => frame?.type === "piece");
}

describe("reassembly", () => {
  it("gives the whole piece with its last frame, whatever the order", () => {
    const bytes = content(150_000);
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), (order) => {
        const reassembler = new Reassembler();
        const parts = frames(1, 0, bytes);
        const results = order.map((i) => {
          const frame = parts[i];
          return frame && reassembler.add("a", frame);
        });
        expect(results.slice(0, -1)).toEqual(["partial", "partial", "partial", "partial"]);
        expect(results.at(-1)).toEqual(bytes);
      }),
      { numRuns: 20 },
    );
  });

  it("keeps peers apart, so that a bad piece has one culprit", () => {
    const reassembler = new Reassembler();
    const [good0, good1] = frames(1, 0, content(40_000, 1));
    const [bad0, bad1] = frames(1, 0, content(40_000, 2));
    if (!good0 || !good1 || !bad0 || !bad1) throw new Error("two frames each");
    reassembler.add("good", good0);
    reassembler.add("bad", bad0);
    expect(reassembler.add("good", good1)).toEqual(content(40_000, 1));
    expect(reassembler.add("bad", bad1)).toEqual(content(40_000, 2));
  });

  it("calls overlapping frames nonsense", () => {
    const reassembler = new Reassembler();
    const [first] = frames(1, 0, content(40_000));
    if (!first) throw new Error("a frame");
    expect(reassembler.add("a", first)).toBe("partial");
    expect(reassembler.add("a", { ...first, offset: 5 })).toBe("nonsense");
  });

  it("lets a peer leave only so much unfinished", () => {
    const reassembler = new Reassembler();
    const total = MAX_PARTIAL_BYTES / 2;
    const start = (sequence: number) =>
      reassembler.add("a", {
        type: "piece",
        variant: 0,
        sequence,
        piece: 0,
        offset: 0,
        total,
        payload: content(9),
      });
    expect([start(1), start(2), start(3)]).toEqual(["partial", "partial", "nonsense"]);
    reassembler.forgetSegment(0, 1);
    expect(start(4)).toBe("partial");
    reassembler.forgetPeer("a");
    expect(start(5)).toBe("partial");
  });
});

describe("early frames", () => {
  const frame = (sequence: number, size = 10): PieceFrame => ({
    type: "piece",
    variant: 0,
    sequence,
    piece: 0,
    offset: 0,
    total: size,
    payload: content(size),
  });

  it("are kept for the next two sequences only", () => {
    const early = new EarlyFrames();
    for (const sequence of [4, 5, 6, 7, 8]) early.hold("a", frame(sequence), 5);
    expect(early.take(0, 6)).toHaveLength(1);
    expect(early.take(0, 7)).toHaveLength(1);
    expect(early.take(0, 8)).toHaveLength(0);
    early.hold("a", frame(1), null);
    expect(early.take(0, 1)).toHaveLength(0);
  });

  it("are bounded in bytes, and forgotten with their peer", () => {
    const early = new EarlyFrames();
    const size = MAX_EARLY_BYTES / 4;
    for (let i = 0; i < 6; i += 1) early.hold(i % 2 ? "b" : "a", frame(6, size), 5);
    early.forgetPeer("b");
    expect(early.take(0, 6)).toHaveLength(2);
    early.hold("a", frame(7, MAX_EARLY_BYTES), 6);
    expect(early.take(0, 7)).toHaveLength(1);
  });
});
