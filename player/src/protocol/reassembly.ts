/** From frames to whole pieces, per peer, with bounds on what a peer can make us keep. No I/O. */

import type { MemberId, Sequence, Variant } from "./messages";
import type { PieceFrame } from "./frames";

/**
 * Unfinished pieces kept for one peer. An honest sender has one piece and 256 KiB in flight, and a
 * piece of the largest segment has 2 MiB.
 */
export const MAX_PARTIAL_BYTES = 4 * 1024 * 1024;
/** Frames kept in all for segments that are not announced yet: docs/protocol.md. */
export const MAX_EARLY_BYTES = 4 * 1024 * 1024;
/** How far ahead of the newest known segment early frames may be. */
const EARLY_SEQUENCES = 2;

interface Partial {
  bytes: Uint8Array<ArrayBuffer>;
  /** offset → length of what has arrived */
  parts: Map<number, number>;
  received: number;
}

/** Puts frames together, separately for each peer, so that a bad piece has one culprit. */
export class Reassembler {
  #peers = new Map<MemberId, Map<string, Partial>>();

  /**
   * Add a frame that fits its descriptor.
   *
   * @returns the whole piece once its last frame is here, "partial" until then, or "nonsense" when
   *   frames overlap or the peer leaves too much unfinished
   */
  add(peer: MemberId, frame: PieceFrame): Uint8Array<ArrayBuffer> | "partial" | "nonsense" {
    const { offset, total, payload } = frame;
    if (payload.byteLength === total) return payload;
    const partials = this.#of(peer);
    const key = `${frame.variant}/${frame.sequence}/${frame.piece}`;
    let partial = partials.get(key);
    if (!partial) {
      let unfinished = total;
      for (const { bytes } of partials.values()) unfinished += bytes.byteLength;
      if (unfinished > MAX_PARTIAL_BYTES) return "nonsense";
      partial = { bytes: new Uint8Array(total), parts: new Map(), received: 0 };
      partials.set(key, partial);
    }
    if (overlaps(partial.parts, offset, payload.byteLength)) return "nonsense";
    partial.bytes.set(payload, offset);
    partial.parts.set(offset, payload.byteLength);
    partial.received += payload.byteLength;
    if (partial.received < total) return "partial";
    partials.delete(key);
    return partial.bytes;
  }

  /** Forget unfinished pieces up to this segment: it is complete, or no longer kept. */
  forgetSegment(variant: Variant, sequence: Sequence): void {
    for (const partials of this.#peers.values())
      for (const key of partials.keys())
        if (key.startsWith(`${variant}/${sequence}/`)) partials.delete(key);
  }

  forgetPeer(peer: MemberId): void {
    this.#peers.delete(peer);
  }

  #of(peer: MemberId): Map<string, Partial> {
    let partials = this.#peers.get(peer);
    if (!partials) this.#peers.set(peer, (partials = new Map<string, Partial>()));
    return partials;
  }
}

function overlaps(parts: ReadonlyMap<number, number>, offset: number, length: number): boolean {
  for (const [start, size] of parts)
    if (offset < start + size && start < offset + length) return true;
  return false;
}

/** Frames that overtook the announcement of their segment. */
export class EarlyFrames {
  #held: { peer: MemberId; frame: PieceFrame }[] = [];
  #bytes = 0;

  /**
   * Keep a frame of a segment that is not known yet; what is too far ahead, already past, or too
   * much is dropped: the store has it.
   *
   * @param newest the newest sequence known, null before the first
   */
  hold(peer: MemberId, frame: PieceFrame, newest: Sequence | null): void {
    if (newest === null || frame.sequence <= newest || frame.sequence > newest + EARLY_SEQUENCES)
      return;
    if (this.#bytes + frame.payload.byteLength > MAX_EARLY_BYTES) return;
    this.#held.push({ peer, frame });
    this.#bytes += frame.payload.byteLength;
  }

  /** Take out what was kept for a segment; frames of older ones are dropped. */
  take(variant: Variant, sequence: Sequence): { peer: MemberId; frame: PieceFrame }[] {
    const taken = this.#held.filter(
      ({ frame }) => frame.variant === variant && frame.sequence === sequence,
    );
    this.#keep(
      ({ frame }) =>
        frame.sequence > sequence || (frame.sequence === sequence && frame.variant !== variant),
    );
    return taken;
  }

  forgetPeer(peer: MemberId): void {
    this.#keep((held) => held.peer !== peer);
  }

  #keep(wanted: (held: { peer: MemberId; frame: PieceFrame }) => boolean): void {
    this.#held = this.#held.filter(wanted);
    this.#bytes = this.#held.reduce((sum, { frame }) => sum + frame.payload.byteLength, 0);
  }
}
