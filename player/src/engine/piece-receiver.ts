/** Turns the frames that members send into verified pieces, and closes the link on invalid ones. */

import type { MemberId } from "../protocol/messages";
import { EarlyFrames, Reassembler } from "../protocol/frames";
import type { Segment, SegmentCache } from "./segment";
import type { Stats } from "./stats";
import type { PieceFrame } from "../protocol/frames";

export interface PieceReceiverOptions {
  stats: Stats;
  cache: SegmentCache;
  /** resolves to whether the piece has its hash */
  verify: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a verified piece */
  onVerified: (
    segment: Segment,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    from: MemberId,
  ) => void;
  /** a member sent a piece with a wrong hash */
  onBadPiece: (from: MemberId) => void;
  /** a member broke the protocol */
  expel: (from: MemberId) => void;
}

export class PieceReceiver {
  #options: PieceReceiverOptions;
  #reassembler = new Reassembler();
  #early = new EarlyFrames();

  constructor(options: PieceReceiverOptions) {
    this.#options = options;
  }

  /** Handle a piece frame. Before the segment is announced, the frame is kept for later. */
  receive(segment: Segment | undefined, from: MemberId, frame: PieceFrame): void {
    if (!segment) {
      this.#early.hold(from, frame, this.#options.cache.newest);
      return;
    }
    const { pieces } = segment;
    if (frame.total === 0 || frame.total !== pieces.lengthOf(frame.piece)) {
      this.#options.expel(from);
      return;
    }
    if (pieces.has(frame.piece)) {
      if (frame.offset === 0) this.#options.stats.segments.duplicates += 1;
      return;
    }
    const piece = this.#reassembler.add(from, frame);
    if (piece === "invalid") this.#options.expel(from);
    else if (piece !== "partial") void this.#verifyPiece(segment, from, frame.piece, piece);
  }

  /** A segment became known: handle the frames that arrived before. */
  onSegmentKnown(segment: Segment): void {
    const { variant, sequence } = segment.descriptor;
    for (const { peer, frame } of this.#early.take(variant, sequence))
      this.receive(segment, peer, frame);
  }

  /** A segment is complete or evicted. */
  discardSegment({ descriptor }: Segment): void {
    this.#reassembler.discardSegment(descriptor.variant, descriptor.sequence);
  }

  discardPeer(id: MemberId): void {
    this.#reassembler.discardPeer(id);
    this.#early.discardPeer(id);
  }

  async #verifyPiece(
    segment: Segment,
    from: MemberId,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { pieces } = segment;
    if (!pieces.beginVerification(index)) {
      this.#options.stats.segments.duplicates += 1;
      return;
    }
    if (await this.#options.verify(segment, index, bytes)) {
      this.#options.onVerified(segment, index, bytes, from);
      return;
    }
    pieces.failVerification(index);
    this.#options.onBadPiece(from);
    this.#options.expel(from);
  }
}
