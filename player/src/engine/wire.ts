/** Frames on the data channel: docs/protocol.md, "Pieces on the wire". */

import type { Sequence, Variant } from "./protocol";

const TYPE_PIECE = 1;
const HEADER_BYTES = 16;
export const MAX_PAYLOAD_BYTES = 32 * 1024;

/** A part of one piece of one segment. */
export interface PieceFrame {
  variant: Variant;
  sequence: Sequence;
  /** index of the piece in its segment */
  piece: number;
  /** where the payload begins in the piece */
  offset: number;
  /** bytes of the whole piece */
  total: number;
  payload: Uint8Array<ArrayBuffer>;
}

/** Cut a piece into frames, each made only when the caller asks for it. */
export function* encodePiece(
  variant: Variant,
  sequence: Sequence,
  piece: number,
  bytes: Uint8Array,
): Generator<Uint8Array<ArrayBuffer>> {
  for (let offset = 0; offset < bytes.byteLength; offset += MAX_PAYLOAD_BYTES) {
    const payload = bytes.subarray(offset, offset + MAX_PAYLOAD_BYTES);
    const frame = new Uint8Array(HEADER_BYTES + payload.byteLength);
    const header = new DataView(frame.buffer);
    header.setUint8(0, TYPE_PIECE);
    header.setUint8(1, variant);
    header.setUint16(2, piece);
    header.setUint32(4, sequence);
    header.setUint32(8, offset);
    header.setUint32(12, bytes.byteLength);
    frame.set(payload, HEADER_BYTES);
    yield frame;
  }
}

/**
 * Read one frame. The payload is a view of `data`, not a copy.
 *
 * @returns null for what no honest member sends: the link should be closed
 */
export function decodeFrame(data: ArrayBuffer): PieceFrame | null {
  if (data.byteLength <= HEADER_BYTES || data.byteLength > HEADER_BYTES + MAX_PAYLOAD_BYTES)
    return null;
  const header = new DataView(data);
  if (header.getUint8(0) !== TYPE_PIECE) return null;
  const offset = header.getUint32(8);
  const total = header.getUint32(12);
  const payload = new Uint8Array(data, HEADER_BYTES);
  if (offset + payload.byteLength > total) return null;
  return {
    variant: header.getUint8(1),
    piece: header.getUint16(2),
    sequence: header.getUint32(4),
    offset,
    total,
    payload,
  };
}
