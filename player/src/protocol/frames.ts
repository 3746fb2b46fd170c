/** Frames on the data channel: docs/protocol.md, "Pieces on the wire". */

import type { MemberId, Sequence, Variant } from "./messages";

const TYPE_PIECE = 1;
const TYPE_HAVE = 2;
const TYPE_REQUEST = 3;
const TYPE_WANT = 4;
const TYPE_PAUSE = 5;
const HEADER_BYTES = 16;
export const MAX_PAYLOAD_BYTES = 32 * 1024;

/** A part of one piece of one segment. */
export interface PieceFrame {
  type: "piece";
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
/** The sender has these pieces. */
export interface HaveFrame {
  type: "have";
  variant: Variant;
  sequence: Sequence;
  /** bit n: piece n */
  pieces: number;
}
/** The sender asks for this piece. */
export interface RequestFrame {
  type: "request";
  variant: Variant;
  sequence: Sequence;
  piece: number;
}
/** The sender takes pieces, of this segment and later ones. */
export interface WantFrame {
  type: "want";
  variant: Variant;
  sequence: Sequence;
}
/** The sender takes no pieces until it says `want`. */
export interface PauseFrame {
  type: "pause";
  variant: Variant;
  sequence: Sequence;
}
export type Frame = PieceFrame | HaveFrame | RequestFrame | WantFrame | PauseFrame;

/** Cut a piece into frames, each made only when the caller asks for it. */
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

/** @param pieces bit n: piece n is here */
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

/** @param sequence the first segment that is wanted, or not wanted any more */
export function encodeInterest(
  type: "want" | "pause",
  variant: Variant,
  sequence: Sequence,
): Uint8Array<ArrayBuffer> {
  return header(type === "want" ? TYPE_WANT : TYPE_PAUSE, variant, 0, sequence, 0);
}

/**
 * Read one frame. The payload is a view of `data`, not a copy.
 *
 * @returns null for what no honest member sends: the link should be closed
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

// From frames to whole pieces, per peer, with bounds on what a peer can make us keep. No I/O.

/**
 * Unfinished pieces kept for one peer. An honest sender has one piece and 256 KiB in flight, and a
 * piece of the largest segment has 2 MiB.
 */
export const MAX_PARTIAL_BYTES = 4 * 1024 * 1024;
/** Frames kept in all for segments that are not announced yet: docs/protocol.md. */
export const MAX_EARLY_BYTES = 4 * 1024 * 1024;
/** How far ahead of the newest known segment early frames may be. */
const MAX_EARLY_SEQUENCES = 2;

interface PartialPiece {
  bytes: Uint8Array<ArrayBuffer>;
  /** offset → length of what has arrived */
  ranges: Map<number, number>;
  received: number;
}

/** Puts frames together, separately for each peer, so that a bad piece has one culprit. */
export class Reassembler {
  #peers = new Map<MemberId, Map<string, PartialPiece>>();

  /**
   * Add a frame that fits its descriptor.
   *
   * @returns the whole piece once its last frame is here, "partial" until then, or "nonsense" when
   *   frames overlap or the peer leaves too much unfinished
   */
  add(peer: MemberId, frame: PieceFrame): Uint8Array<ArrayBuffer> | "partial" | "nonsense" {
    const { offset, total, payload } = frame;
    if (payload.byteLength === total) return payload;
    const partials = this.#partialsOf(peer);
    const key = `${frame.variant}/${frame.sequence}/${frame.piece}`;
    let partial = partials.get(key);
    if (!partial) {
      let unfinished = total;
      for (const { bytes } of partials.values()) unfinished += bytes.byteLength;
      if (unfinished > MAX_PARTIAL_BYTES) return "nonsense";
      partial = { bytes: new Uint8Array(total), ranges: new Map(), received: 0 };
      partials.set(key, partial);
    }
    if (overlaps(partial.ranges, offset, payload.byteLength)) return "nonsense";
    partial.bytes.set(payload, offset);
    partial.ranges.set(offset, payload.byteLength);
    partial.received += payload.byteLength;
    if (partial.received < total) return "partial";
    partials.delete(key);
    return partial.bytes;
  }

  /** Forget unfinished pieces up to this segment: it is complete, or no longer kept. */
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

/** Frames that overtook the announcement of their segment. */
export class EarlyFrames {
  #frames: { peer: MemberId; frame: PieceFrame }[] = [];
  #bytes = 0;

  /**
   * Keep a frame of a segment that is not known yet; what is too far ahead, already past, or too
   * much is dropped: the store has it.
   *
   * @param newest the newest sequence known, null before the first
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

  /** Take out what was kept for a segment; frames of older ones are dropped. */
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

  #filter(wanted: (held: { peer: MemberId; frame: PieceFrame }) => boolean): void {
    this.#frames = this.#frames.filter(wanted);
    this.#bytes = this.#frames.reduce((sum, { frame }) => sum + frame.payload.byteLength, 0);
  }
}
