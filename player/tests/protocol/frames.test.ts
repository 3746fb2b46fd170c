import { describe, expect, it } from "vitest";
import {
  EarlyFrames,
  MAX_EARLY_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_PAYLOAD_BYTES,
  Reassembler,
  decodeFrame,
  encodeInterest,
  encodeHave,
  encodePiece,
  encodeRequest,
} from "../../src/protocol/frames";
import { content } from "../support";
import type { PieceFrame } from "../../src/protocol/frames";

import fc from "fast-check";

describe("frames", () => {
  it("carry a piece of any size", () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff_ffff),
        fc.nat(31),
        fc.integer({ min: 1, max: 200_000 }),
        (variant, sequence, piece, size) => {
          const bytes = content(size, piece);
          const received = new Uint8Array(size);
          for (const data of encodePiece(variant, sequence, piece, bytes)) {
            const frame = decodeFrame(data.buffer);
            expect(frame).toMatchObject({ type: "piece", variant, sequence, piece, total: size });
            if (frame?.type !== "piece") continue;
            expect(frame.payload.byteLength).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
            received.set(frame.payload, frame.offset);
          }
          expect(received).toEqual(bytes);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("have the header of docs/protocol.md, big-endian", () => {
    const [frame] = encodePiece(2, 0x01020304, 5, Uint8Array.of(9, 8, 7));
    expect([...(frame ?? [])]).toEqual([1, 2, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 3, 9, 8, 7]);
  });

  it("encode availability and requests", () => {
    const have = encodeHave(3, 0xffff_ffff, 0x8000_0001);
    expect([...have]).toEqual([2, 3, 0, 0, 255, 255, 255, 255, 128, 0, 0, 1, 0, 0, 0, 0]);
    expect(decodeFrame(have.buffer)).toEqual({
      ...{ type: "have", variant: 3, sequence: 0xffff_ffff, pieces: 0x8000_0001 },
    });
    expect(decodeFrame(encodeRequest(3, 7, 31).buffer)).toEqual({
      ...{ type: "request", variant: 3, sequence: 7, piece: 31 },
    });
  });

  it.each(["want", "pause"] as const)("encode interest: %s", (type) => {
    const frame = encodeInterest(type, 3, 7);
    expect([...frame.subarray(0, 8)]).toEqual([type === "want" ? 4 : 5, 3, 0, 0, 0, 0, 0, 7]);
    expect(decodeFrame(frame.buffer)).toEqual({ type, variant: 3, sequence: 7 });
  });

  it.each([
    ["nothing", []],
    ["a request with a payload", [3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["a pause with a payload", [5, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["a header alone", [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["an unknown type", [7, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]],
    ["more than the piece has", [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1]],
  ])("reject %s", (_, bytes) => {
    expect(decodeFrame(Uint8Array.from(bytes).buffer)).toBeNull();
  });

  it("reject more payload than 32 KiB", () => {
    const frame = new Uint8Array(16 + MAX_PAYLOAD_BYTES + 1);
    frame[0] = 1;
    frame.fill(0xff, 12, 16);
    expect(decodeFrame(frame.buffer)).toBeNull();
  });

  it("reject arbitrary bytes without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const frame = decodeFrame(Uint8Array.from(bytes).buffer);
        if (frame?.type === "piece")
          expect(frame.offset + frame.payload.byteLength).toBeLessThanOrEqual(frame.total);
      }),
    );
  });
});

function frames(sequence: number, piece: number, bytes: Uint8Array): PieceFrame[] {
  return [...encodePiece(0, sequence, piece, bytes)]
    .map((data) => decodeFrame(data.buffer))
    .filter((frame) => frame?.type === "piece");
}

describe("reassembly", () => {
  it("returns the piece with its last frame, in any order", () => {
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

  it("keeps peers apart, so that a bad piece can be attributed", () => {
    const reassembler = new Reassembler();
    const [good0, good1] = frames(1, 0, content(40_000, 1));
    const [bad0, bad1] = frames(1, 0, content(40_000, 2));
    if (!good0 || !good1 || !bad0 || !bad1) throw new Error("two frames each");
    reassembler.add("good", good0);
    reassembler.add("bad", bad0);
    expect(reassembler.add("good", good1)).toEqual(content(40_000, 1));
    expect(reassembler.add("bad", bad1)).toEqual(content(40_000, 2));
  });

  it("rejects overlapping frames", () => {
    const reassembler = new Reassembler();
    const [first] = frames(1, 0, content(40_000));
    if (!first) throw new Error("a frame");
    expect(reassembler.add("a", first)).toBe("partial");
    expect(reassembler.add("a", { ...first, offset: 5 })).toBe("invalid");
  });

  it("limits what a peer may leave unfinished", () => {
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
    expect([start(1), start(2), start(3)]).toEqual(["partial", "partial", "invalid"]);
    reassembler.discardSegment(0, 1);
    expect(start(4)).toBe("partial");
    reassembler.discardPeer("a");
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

  it("are bounded in bytes, and discarded with their peer", () => {
    const early = new EarlyFrames();
    const size = MAX_EARLY_BYTES / 4;
    for (let i = 0; i < 6; i += 1) early.hold(i % 2 ? "b" : "a", frame(6, size), 5);
    early.discardPeer("b");
    expect(early.take(0, 6)).toHaveLength(2);
    early.hold("a", frame(7, MAX_EARLY_BYTES), 6);
    expect(early.take(0, 7)).toHaveLength(1);
  });
});
