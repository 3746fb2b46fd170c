/** Frames that members send become verified pieces, or cost them the link. */

import type { MemberId } from "../protocol/messages";
import { EarlyFrames, Reassembler } from "../protocol/frames";
import type { Segment, SegmentCache } from "./segment";
import type { Stats } from "./stats";
import type { PieceFrame } from "../protocol/frames";

export interface IntakeOptions {
  stats: Stats;
  cache: SegmentCache;
  /** whether the piece has its hash */
  verified: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a piece that was claimed and verified */
  keep: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>, from: MemberId) => void;
  /** a member sent a piece with a wrong hash */
  onBadPiece: (from: MemberId) => void;
  /** a member sent what no honest one sends */
  drop: (from: MemberId) => void;
}

export class Intake {
  #o: IntakeOptions;
  #reassembler = new Reassembler();
  #early = new EarlyFrames();

  constructor(options: IntakeOptions) {
    this.#o = options;
  }

  /** Take a frame of a segment, or keep it until that is announced. */
  take(segment: Segment | undefined, from: MemberId, frame: PieceFrame): void {
    if (!segment) {
      this.#early.hold(from, frame, this.#o.cache.newest);
      return;
    }
    const { pieces } = segment;
    if (frame.total === 0 || frame.total !== pieces.lengthOf(frame.piece)) {
      this.#o.drop(from);
      return;
    }
    if (pieces.has(frame.piece)) {
      if (frame.offset === 0) this.#o.stats.segments.duplicates += 1;
      return;
    }
    const whole = this.#reassembler.add(from, frame);
    if (whole === "nonsense") this.#o.drop(from);
    else if (whole !== "partial") void this.#verify(segment, from, frame.piece, whole);
  }

  /** A segment is known now: take what came before it was. */
  known(segment: Segment): void {
    const { variant, sequence } = segment.descriptor;
    for (const { peer, frame } of this.#early.take(variant, sequence))
      this.take(segment, peer, frame);
  }

  /** A segment is complete, or no longer kept. */
  forgetSegment({ descriptor }: Segment): void {
    this.#reassembler.forgetSegment(descriptor.variant, descriptor.sequence);
  }

  forgetPeer(id: MemberId): void {
    this.#reassembler.forgetPeer(id);
    this.#early.forgetPeer(id);
  }

  async #verify(
    segment: Segment,
    from: MemberId,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { pieces } = segment;
    if (!pieces.claim(index)) {
      this.#o.stats.segments.duplicates += 1;
      return;
    }
    if (await this.#o.verified(segment, index, bytes)) {
      this.#o.keep(segment, index, bytes, from);
      return;
    }
    pieces.release(index);
    this.#o.onBadPiece(from);
    this.#o.drop(from);
  }
}
