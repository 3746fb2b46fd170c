import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeAppetite,
  MAX_PAYLOAD_BYTES,
  decodeFrame,
  encodeHave,
  encodePiece,
  encodeRequest,
} from "../../src/protocol/frames";
import { content } from "../support";

describe("frames", () => {
  it("carry a piece of any size there and back", () => {
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

  it("say what is here, and ask for what is not", () => {
    const have = encodeHave(3, 0xffff_ffff, 0x8000_0001);
    expect([...have]).toEqual([2, 3, 0, 0, 255, 255, 255, 255, 128, 0, 0, 1, 0, 0, 0, 0]);
    expect(decodeFrame(have.buffer)).toEqual({
      ...{ type: "have", variant: 3, sequence: 0xffff_ffff, pieces: 0x8000_0001 },
    });
    expect(decodeFrame(encodeRequest(3, 7, 31).buffer)).toEqual({
      ...{ type: "request", variant: 3, sequence: 7, piece: 31 },
    });
  });

  it.each(["want", "pause"] as const)("say whether pieces are welcome: %s", (type) => {
    const frame = encodeAppetite(type, 3, 7);
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
  ])("refuse %s", (_, bytes) => {
    expect(decodeFrame(Uint8Array.from(bytes).buffer)).toBeNull();
  });

  it("refuse more payload than 32 KiB", () => {
    const frame = new Uint8Array(16 + MAX_PAYLOAD_BYTES + 1);
    frame[0] = 1;
    frame.fill(0xff, 12, 16);
    expect(decodeFrame(frame.buffer)).toBeNull();
  });

  it("refuse arbitrary bytes without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const frame = decodeFrame(Uint8Array.from(bytes).buffer);
        if (frame?.type === "piece")
          expect(frame.offset + frame.payload.byteLength).toBeLessThanOrEqual(frame.total);
      }),
    );
  });
});
