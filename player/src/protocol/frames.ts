/**
 * Binary frames on the data channel, and their reassembly into pieces. Specified in
 * docs/protocol.md, "Pieces on the wire". No I/O.
 */

import type { MemberId, Sequence, Variant } from "./messages";

const TYPE_PIECE = 1;
const TYPE_HAVE = 2;
const TYPE_REQUEST = 3;
const TYPE_WANT = 4;
const TYPE_PAUSE = 5;
const HEADER_BYTES = 16;
export const MAX_PAYLOAD_BYTES = 32 * 1024;

/** A fragment of one piece of a segment. */
export interface PieceFrame {
  type: "piece";
  variant: Variant;
  sequence: Sequence;
  /** index of the piece in its segment */
  piece: number;
  /** offset of the payload within the piece, bytes */
  offset: number;
  /** size of the complete piece, bytes */
  total: number;
  payload: Uint8Array<ArrayBuffer>;
}
/** The sender has these pieces. */
export interface HaveFrame {
  type: "have";
  variant: Variant;
  sequence: Sequence;
  /** bit n: piece n */
  pieces: number;
}
/** The sender requests this piece. */
export interface RequestFrame {
  type: "request";
  variant: Variant;
  sequence: Sequence;
  piece: number;
}
/** The sender is interested: it takes pushed pieces of this segment and later ones. */
export interface WantFrame {
  type: "want";
  variant: Variant;
  sequence: Sequence;
}
/** The sender is paused: it takes no pushed pieces until it sends `want`. */
export interface PauseFrame {
  type: "pause";
  variant: Variant;
  sequence: Sequence;
}
export type Frame = PieceFrame | HaveFrame | RequestFrame | WantFrame | PauseFrame;

/** Split a piece into frames; each is created only when the caller asks for it. */
export function* encodePiece(
  variant: Variant,
  sequence: Sequence,
  piece: number,
  bytes: Uint8Array,
): Generator<Uint8Array<ArrayBuffer>> {
  for (let offset = 0; offset < bytes.byteLength; offset += MAX_PAYLOAD_BYTES) {
    const payload = bytes.subarray(offset, offset + MAX_PAYLOAD_BYTES);
    const frame = header(TYPE_PIECE, variant, piece, sequence, payload.byteLength);
    const view = new DataView(frame.buffer);
    view.setUint32(8, offset);
    view.setUint32(12, bytes.byteLength);
    frame.set(payload, HEADER_BYTES);
    yield frame;
  }
}

/** @param pieces bit n is set if piece n is available */
export function encodeHave(
  variant: Variant,
  sequence: Sequence,
  pieces: number,
): Uint8Array<ArrayBuffer> {
  const frame = header(TYPE_HAVE, variant, 0, sequence, 0);
  new DataView(frame.buffer).setUint32(8, pieces);
  return frame;
}

export function encodeRequest(
  variant: Variant,
  sequence: Sequence,
  piece: number,
): Uint8Array<ArrayBuffer> {
  return header(TYPE_REQUEST, variant, piece, sequence, 0);
}

/** @param sequence the first segment that the sender is, or is no longer, interested in */
export function encodeInterest(
  type: "want" | "pause",
  variant: Variant,
  sequence: Sequence,
): Uint8Array<ArrayBuffer> {
  return header(type === "want" ? TYPE_WANT : TYPE_PAUSE, variant, 0, sequence, 0);
}

/**
 * Decode one frame. The payload is a view of `data`, not a copy.
 *
 * @returns null if the frame is malformed, in which case the link should be closed
 */
export function decodeFrame(data: ArrayBuffer): Frame | null {
  if (data.byteLength < HEADER_BYTES || data.byteLength > HEADER_BYTES + MAX_PAYLOAD_BYTES)
    return null;
  const view = new DataView(data);
  const variant = view.getUint8(1);
  const piece = view.getUint16(2);
  const sequence = view.getUint32(4);
  const payload = new Uint8Array(data, HEADER_BYTES);
  switch (view.getUint8(0)) {
    case TYPE_PIECE: {
      const offset = view.getUint32(8);
      const total = view.getUint32(12);
      if (payload.byteLength === 0 || offset + payload.byteLength > total) return null;
      return { type: "piece", variant, sequence, piece, offset, total, payload };
    }
    case TYPE_HAVE:
      if (payload.byteLength > 0) return null;
      return { type: "have", variant, sequence, pieces: view.getUint32(8) };
    case TYPE_REQUEST:
      return payload.byteLength > 0 ? null : { type: "request", variant, sequence, piece };
    case TYPE_WANT:
      return payload.byteLength > 0 ? null : { type: "want", variant, sequence };
    case TYPE_PAUSE:
      return payload.byteLength > 0 ? null : { type: "pause", variant, sequence };
    default:
      return null;
  }
}

function header(
  type: number,
  variant: Variant,
  piece: number,
  sequence: Sequence,
  payloadBytes: number,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER_BYTES + payloadBytes);
  const view = new DataView(frame.buffer);
  view.setUint8(0, type);
  view.setUint8(1, variant);
  view.setUint16(2, piece);
  view.setUint32(4, sequence);
  return frame;
}

/**
 * Limit on the unfinished pieces of one peer. An honest sender has one piece and 256 KiB in flight,
 * and a piece of the largest segment has 2 MiB.
 */
export const MAX_PARTIAL_BYTES = 4 * 1024 * 1024;
/** Limit on all frames kept for segments that have not been announced yet: docs/protocol.md. */
export const MAX_EARLY_BYTES = 4 * 1024 * 1024;
/** How far ahead of the newest known segment early frames may be, in segments. */
const MAX_EARLY_SEQUENCES = 2;

interface PartialPiece {
  bytes: Uint8Array<ArrayBuffer>;
  /** offset → length of each fragment received */
  ranges: Map<number, number>;
  received: number;
}

/**
 * Reassembles pieces from frames, separately for each peer, so that a corrupt piece can be
 * attributed to one sender.
 */
export class Reassembler {
  #peers = new Map<MemberId, Map<string, PartialPiece>>();

  /**
   * Add a frame that fits its descriptor.
   *
   * @returns the complete piece with its last frame, "partial" until then, or "invalid" if frames
   *   overlap or the peer leaves too much unfinished
   */
  add(peer: MemberId, frame: PieceFrame): Uint8Array<ArrayBuffer> | "partial" | "invalid" {
    const { offset, total, payload } = frame;
    if (payload.byteLength === total) return payload;
    const partials = this.#partialsOf(peer);
    const key = `${frame.variant}/${frame.sequence}/${frame.piece}`;
    let partial = partials.get(key);
    if (!partial) {
      let unfinished = total;
      for (const { bytes } of partials.values()) unfinished += bytes.byteLength;
      if (unfinished > MAX_PARTIAL_BYTES) return "invalid";
      partial = { bytes: new Uint8Array(total), ranges: new Map(), received: 0 };
      partials.set(key, partial);
    }
    if (overlaps(partial.ranges, offset, payload.byteLength)) return "invalid";
    partial.bytes.set(payload, offset);
    partial.ranges.set(offset, payload.byteLength);
    partial.received += payload.byteLength;
    if (partial.received < total) return "partial";
    partials.delete(key);
    return partial.bytes;
  }

  /** Discard unfinished pieces of a segment that is complete or evicted. */
  discardSegment(variant: Variant, sequence: Sequence): void {
    for (const partials of this.#peers.values())
      for (const key of partials.keys())
        if (key.startsWith(`${variant}/${sequence}/`)) partials.delete(key);
  }

  discardPeer(peer: MemberId): void {
    this.#peers.delete(peer);
  }

  #partialsOf(peer: MemberId): Map<string, PartialPiece> {
    let partials = this.#peers.get(peer);
    if (!partials) this.#peers.set(peer, (partials = new Map<string, PartialPiece>()));
    return partials;
  }
}

function overlaps(ranges: ReadonlyMap<number, number>, offset: number, length: number): boolean {
  for (const [start, size] of ranges)
    if (offset < start + size && start < offset + length) return true;
  return false;
}

/** Holds frames that arrive before their segment is announced. */
export class EarlyFrames {
  #frames: { peer: MemberId; frame: PieceFrame }[] = [];
  #bytes = 0;

  /**
   * Keep a frame of an unknown segment. Frames that are too far ahead, too old or too many are
   * dropped: the store has those pieces.
   *
   * @param newest the newest known media sequence; null before the first
   */
  hold(peer: MemberId, frame: PieceFrame, newest: Sequence | null): void {
    if (
      newest === null ||
      frame.sequence <= newest ||
      frame.sequence > newest + MAX_EARLY_SEQUENCES
    )
      return;
    if (this.#bytes + frame.payload.byteLength > MAX_EARLY_BYTES) return;
    this.#frames.push({ peer, frame });
    this.#bytes += frame.payload.byteLength;
  }

  /** Take the frames kept for a segment; frames of older segments are dropped. */
  take(variant: Variant, sequence: Sequence): { peer: MemberId; frame: PieceFrame }[] {
    const taken = this.#frames.filter(
      ({ frame }) => frame.variant === variant && frame.sequence === sequence,
    );
    this.#filter(
      ({ frame }) =>
        frame.sequence > sequence || (frame.sequence === sequence && frame.variant !== variant),
    );
    return taken;
  }

  discardPeer(peer: MemberId): void {
    this.#filter((held) => held.peer !== peer);
  }

  #filter(keep: (held: { peer: MemberId; frame: PieceFrame }) => boolean): void {
    this.#frames = this.#frames.filter(keep);
    this.#bytes = this.#frames.reduce((sum, { frame }) => sum + frame.payload.byteLength, 0);
  }
}
