import { describe, expect, it } from "vitest";
import messages from "../../../tests/vectors/messages.json";
import wire from "../../../tests/vectors/wire.json";
import { PLAN_VERSION, parseServerMessage } from "../../src/protocol/messages";
import type { ClientMessage } from "../../src/protocol/messages";
import type { Frame } from "../../src/protocol/frames";
import {
  decodeFrame,
  encodeInterest,
  encodeHave,
  encodePiece,
  encodeRequest,
} from "../../src/protocol/frames";

const fromHex = (hex: string): ArrayBuffer =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)).buffer;
const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The frame that the page would send. For pieces, the one at this offset. */
function encode(frame: Frame): Uint8Array {
  const { variant, sequence } = frame;
  switch (frame.type) {
    case "piece": {
      const piece = new Uint8Array(frame.total);
      piece.set(frame.payload, frame.offset);
      const frames = [...encodePiece(variant, sequence, frame.piece, piece)];
      return frames.find((one) => new DataView(one.buffer).getUint32(8) === frame.offset) ?? piece;
    }
    case "have":
      return encodeHave(variant, sequence, frame.pieces);
    case "request":
      return encodeRequest(variant, sequence, frame.piece);
    case "want":
    case "pause":
      return encodeInterest(frame.type, variant, sequence);
  }
}

describe("frames of the shared vectors", () => {
  it.each(wire.frames)("are decoded and encoded: $frame.type $hex", ({ hex, frame }) => {
    const read = decodeFrame(fromHex(hex));
    if (!read) throw new Error("not read");
    const shown = read.type === "piece" ? { ...read, payload: toHex(read.payload) } : read;
    expect(shown).toEqual(frame);
    expect(toHex(encode(read))).toBe(hex);
  });

  it.each(wire.refused)("are rejected: $why", ({ hex }) => {
    expect(decodeFrame(fromHex(hex))).toBeNull();
  });
});

describe("messages of the shared vectors", () => {
  it.each(messages.to_viewer.map((message) => [message.type, message] as const))(
    "are parsed: %s",
    (type, message) => {
      expect(parseServerMessage(JSON.stringify(message))).toMatchObject({ type });
    },
  );

  it("resolve unreachable members from their indices in the roster", () => {
    const room = messages.to_viewer.find(({ type }) => type === "room");
    expect(parseServerMessage(JSON.stringify(room))).toMatchObject({
      originShare: 3,
      members: [{ unreachable: [] }, { unreachable: ["a"] }, { unreachable: [] }],
    });
  });

  it("include every type that this page sends", () => {
    const types: ClientMessage["type"][] = [
      "join",
      "signal",
      "variant",
      "links",
      "report",
      "ready",
      "stats",
    ];
    expect(new Set(messages.from_viewer.map(({ type }) => type))).toEqual(new Set(types));
    for (const message of messages.from_viewer)
      if (message.type === "join") expect(message.plan_version).toBe(PLAN_VERSION);
  });
});
