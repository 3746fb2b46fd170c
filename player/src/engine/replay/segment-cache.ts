/** The segments of a replay in memory: a bounded set around the playhead. No I/O. */

import { SegmentPieces } from "../segment";
import { TransferTime } from "../transfer-time";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";
import type { ReplayDescriptor } from "./descriptors";

export const MAX_CACHED_SEGMENTS = 64;
export const MAX_CACHED_BYTES = 64 * 1024 * 1024;

/** A segment on its way to the player. */
export interface ReplayDownload {
  /** nobody waits for it any more */
  stop: AbortController;
  waiters: number;
  done: Promise<void>;
}

/** Everything known about one segment. */
export class ReplaySegment {
  pieces: SegmentPieces;
  /** whether all of it is here and has its hash */
  verified = false;
  /** the member from which pieces are taken now */
  requestedFrom: MemberId | null = null;
  /** the only member whose pieces are here, so that bad ones have one culprit */
  deliveredBy: MemberId | null = null;
  /** when that one brought something last, or was asked, ms */
  progressAt = 0;
  /** bytes here that a member brought */
  peerBytes = 0;
  download: ReplayDownload | null = null;
  /** pieces sent, by member */
  served = new Map<MemberId, number>();
  #transfer = new TransferTime();

  constructor(readonly descriptor: ReplayDescriptor) {
    this.pieces = new SegmentPieces(descriptor);
  }

  /** Begin anew: what is here cannot be trusted, or has nobody who completes it. */
  reset(): void {
    this.pieces = new SegmentPieces(this.descriptor);
    this.peerBytes = 0;
    this.deliveredBy = null;
    this.#transfer = new TransferTime();
  }

  /** Note that a piece arrived. */
  arrived(now: number): void {
    this.#transfer.arrived(now);
  }

  /** How long its bytes took, ms: what a bandwidth estimate may use; a member's pauses are not in it. */
  get transferMs(): number {
    return this.#transfer.ms;
  }
}

export class ReplaySegmentCache {
  #segments = new Map<string, ReplaySegment>();

  /** @param onEvict told of each segment that leaves memory */
  constructor(private readonly onEvict: (segment: ReplaySegment) => void) {}

  get(variant: Variant, sequence: Sequence): ReplaySegment | undefined {
    return this.#segments.get(key(variant, sequence));
  }

  /** The segment of a descriptor; what is farthest from it leaves memory if that is full. */
  getOrAdd(descriptor: ReplayDescriptor): ReplaySegment {
    const { variant, sequence } = descriptor;
    const known = this.get(variant, sequence);
    if (known) return known;
    const segment = new ReplaySegment(descriptor);
    this.#segments.set(key(variant, sequence), segment);
    this.#makeRoom(sequence);
    return segment;
  }

  /** Those that are whole. */
  verified(): ReplaySegment[] {
    return [...this.#segments.values()].filter(({ verified }) => verified);
  }

  /** Those on their way. */
  downloads(): ReplayDownload[] {
    return [...this.#segments.values()].flatMap(({ download }) => download ?? []);
  }

  #makeRoom(playhead: Sequence): void {
    const distance = ({ descriptor }: ReplaySegment): number =>
      Math.abs(descriptor.sequence - playhead);
    const candidates = [...this.#segments.values()]
      .filter(({ download, descriptor }) => download === null && descriptor.sequence !== playhead)
      .sort((a, b) => distance(b) - distance(a));
    for (const segment of candidates) {
      if (this.#segments.size <= MAX_CACHED_SEGMENTS && this.#bytes() <= MAX_CACHED_BYTES) return;
      this.#segments.delete(key(segment.descriptor.variant, segment.descriptor.sequence));
      this.onEvict(segment);
    }
  }

  #bytes(): number {
    let sum = 0;
    for (const { descriptor } of this.#segments.values()) sum += descriptor.size;
    return sum;
  }
}

function key(variant: Variant, sequence: Sequence): string {
  return `${variant}/${sequence}`;
}
