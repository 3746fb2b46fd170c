import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDescriptor, parseSegmentList, parseServerMessage } from "../../src/protocol/messages";

const DESCRIPTOR = {
  variant: 0,
  sequence: 7,
  name: "stream-a-7.ts",
  url: "https://media.test/live/0/stream-a-7.ts",
  size: 40_000,
  duration: 4,
  program_date_time: "2026-11-22T12:00:00Z",
  discontinuity: false,
  sha256: "00",
  piece_size: 16_384,
  pieces: ["a", "b", "c"],
  infohash: null,
  magnet: null,
};
const parse = (message: unknown) => parseServerMessage(JSON.stringify(message));

describe("messages from signaling", () => {
  it("are parsed, ignoring unknown fields", () => {
    const ann = { id: "a", variant: 0, ready: true, weight: 4 };
    const ben = { id: "b", variant: 1, ready: false, weight: 0 };
    expect(
      parse({
        type: "room",
        room: "main",
        plan_version: 2,
        epoch: 3,
        you: "a",
        for_all: 5,
        members: [
          { ...ann, cut: [1], height: 180 },
          { ...ben, cut: [] },
        ],
        later: true,
      }),
    ).toEqual({
      type: "room",
      room: "main",
      epoch: 3,
      you: "a",
      originShare: 5,
      members: [
        { ...ann, unreachable: ["b"] },
        { ...ben, unreachable: [] },
      ],
    });
    expect(parse({ type: "stream", stream: null, live: false })).toMatchObject({ live: false });
    expect(parse({ type: "segment", epoch: 3, descriptor: DESCRIPTOR })).toMatchObject({
      epoch: 3,
      descriptor: { sequence: 7, pieceSize: 16_384, pieceHashes: ["a", "b", "c"] },
    });
    expect(
      parse({ type: "signal", from: "b", data: { description: { type: "offer", sdp: "v=0" } } }),
    ).toMatchObject({ from: "b" });
  });

  it.each([
    ["an unknown type", { type: "weather" }],
    ["no object", 5],
    [
      "another plan version",
      { type: "room", room: "m", plan_version: 1, epoch: 1, you: "a", for_all: 0, members: [] },
    ],
    [
      "an unreachable member that is not in the roster",
      {
        ...{ type: "room", room: "m", plan_version: 2, epoch: 1, you: "a", for_all: 0 },
        members: [{ id: "a", variant: 0, ready: true, weight: 4, cut: [1] }],
      },
    ],
    ["a signal without data", { type: "signal", from: "b" }],
    [
      "a rollback",
      { type: "signal", from: "b", data: { description: { type: "rollback", sdp: "" } } },
    ],
  ])("are ignored: %s", (_, message) => {
    expect(parse(message)).toBeNull();
  });

  it("never throw", () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (text, value) => {
        parseServerMessage(text);
        parseSegmentList(value);
      }),
    );
  });
});

describe("descriptors", () => {
  it.each([
    ["pieces that do not add up", { pieces: ["a", "b"] }],
    ["a piece size that is no power of two", { piece_size: 20_000, pieces: ["a", "b"] }],
    ["a piece size below 16 KiB", { piece_size: 8_192, pieces: ["a", "b", "c", "d", "e"] }],
    ["a size out of bounds", { size: 1e10 }],
    ["an empty segment", { size: 0, pieces: [] }],
    ["a negative sequence", { sequence: -1 }],
  ])("are rejected: %s", (_, change) => {
    expect(parseDescriptor({ ...DESCRIPTOR, ...change })).toBeNull();
  });

  it("come in lists by variant; invalid ones are skipped", () => {
    const list = {
      stream: "a",
      variants: { "0": { segments: [DESCRIPTOR, { ...DESCRIPTOR, size: 0 }] } },
    };
    expect(parseSegmentList(list)).toHaveLength(1);
    expect(parseSegmentList({ stream: null })).toEqual([]);
  });
});
