/** The segments of a replay in memory: a bounded cache around the playhead. No I/O. */

import { SegmentPieces } from "../segment";
import { TransferTime } from "../transfer-time";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";
import type { ReplayDescriptor } from "./descriptors";

export const MAX_CACHED_SEGMENTS = 64;
const MAX_CACHED_BYTES = 64 * 1024 * 1024;

/** A segment being downloaded for the player. */
export interface ReplayDownload {
  /** aborted once nobody waits for the segment */
  controller: AbortController;
  waiters: number;
  done: Promise<void>;
}

/** The state of one segment. */
export class ReplaySegment {
  pieces: SegmentPieces;
  /** whether it is complete and has its hash */
  verified = false;
  /** the member from which pieces are accepted now */
  requestedFrom: MemberId | null = null;
  /** the only member whose pieces are here, so that a wrong hash can be attributed */
  deliveredBy: MemberId | null = null;
  /** when that member last delivered something, or was asked, ms */
  progressAt = 0;
  /** bytes here that came from members */
  peerBytes = 0;
  download: ReplayDownload | null = null;
  /** number of pieces served to each member */
  served = new Map<MemberId, number>();
  #transfer = new TransferTime();

  constructor(readonly descriptor: ReplayDescriptor) {
    this.pieces = new SegmentPieces(descriptor);
  }

  /** Discard all pieces: they cannot be trusted, or their sender will not complete them. */
  reset(): void {
    this.pieces = new SegmentPieces(this.descriptor);
    this.peerBytes = 0;
    this.deliveredBy = null;
    this.#transfer = new TransferTime();
  }

  /** A piece arrived. */
  arrived(now: number): void {
    this.#transfer.arrived(now);
  }

  /**
   * How long the network was busy with this segment, ms, as input for a bandwidth estimate; a
   * member's pauses do not count.
   */
  get transferMs(): number {
    return this.#transfer.ms;
  }
}

export class ReplaySegmentCache {
  #segments = new Map<string, ReplaySegment>();

  /** @param onEvict called with each segment that is evicted */
  constructor(private readonly onEvict: (segment: ReplaySegment) => void) {}

  get(variant: Variant, sequence: Sequence): ReplaySegment | undefined {
    return this.#segments.get(key(variant, sequence));
  }

  /** The segment of a descriptor. If the cache is full, the segment farthest from it is evicted. */
  getOrAdd(descriptor: ReplayDescriptor): ReplaySegment {
    const { variant, sequence } = descriptor;
    const existing = this.get(variant, sequence);
    if (existing) return existing;
    const segment = new ReplaySegment(descriptor);
    this.#segments.set(key(variant, sequence), segment);
    this.#makeRoom(sequence);
    return segment;
  }

  /** All verified segments. */
  verified(): ReplaySegment[] {
    return [...this.#segments.values()].filter(({ verified }) => verified);
  }

  /** All downloads in progress. */
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
