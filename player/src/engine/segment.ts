/** The segments in memory: a bounded set around the playhead. No I/O. */

import { SegmentPieces } from "./pieces";
import type { PlannedSlice } from "../room/room";
import { hadItsTime } from "./scheduler";
import type { Descriptor, MemberId, Sequence, Variant } from "../protocol/messages";
import { TransferTime } from "./transfer-time";

export const MAX_SEGMENTS = 16;
export const MAX_SEGMENT_MEMORY_BYTES = 64 * 1024 * 1024;
/** Of the newest segments pieces are still on their way, wherever the playhead is. */
const NEWEST_KEPT = 3;

/** A segment that the store had to complete took peers so much longer, at the least. */
const LATE_MS = 500;

/** Somebody (hls.js) waits for this segment. */
export interface Waiter {
  /** when it was asked for, ms */
  since: number;
  done: () => void;
  failed: (error: Error) => void;
}

/** Everything known about one segment. */
export class Segment {
  readonly pieces: SegmentPieces;
  /** who fetches what; empty until the segment is announced to this member of a room */
  slices: readonly PlannedSlice[] = [];
  /** when signaling announced it, ms; null if it is known from elsewhere */
  announcedAt: number | null = null;
  /** pieces that a request to the store is bringing */
  inFlight = new Set<number>();
  /** of these, the ones whose request has brought nothing for long */
  quiet = new Set<number>();
  /** pieces that the torrent seed was asked for */
  seeding = new Set<number>();
  /** pieces that a member was asked for, and when, ms */
  requested = new Map<number, { from: MemberId; at: number }>();
  /** pieces that this viewer fetches in their owner's place */
  steppedIn = new Set<number>();
  /** what members say that they have: bit n for piece n */
  haves = new Map<MemberId, number>();
  /** when the members were told what is here, ms */
  toldAt = -Infinity;
  /** pieces served on request, by member */
  served = new Map<MemberId, number>();
  waiters = new Set<Waiter>();
  /** whether missing pieces had to be fetched because their owners were late */
  late = false;
  #transfer = new TransferTime();

  constructor(readonly descriptor: Descriptor) {
    this.pieces = new SegmentPieces(descriptor);
  }

  /** Whether a piece is under way, from a store that answers. */
  isComing(piece: number): boolean {
    return this.inFlight.has(piece) && !this.quiet.has(piece);
  }

  /** Whether a member says that it has a piece. */
  isAt(id: MemberId, piece: number): boolean {
    return (((this.haves.get(id) ?? 0) >>> piece) & 1) === 1;
  }

  /** The slice that a piece is in; a piece that is left to the store is in none. */
  sliceOf(piece: number): PlannedSlice | undefined {
    return this.slices.find(({ first, end }) => first <= piece && piece < end);
  }

  /** Whether a room whose uplinks are too weak for a part of it has had its time. */
  isOverdue(now: number): boolean {
    const { slices, announcedAt, descriptor } = this;
    const shared = slices.reduce((pieces, { first, end }) => pieces + end - first, 0);
    const short = shared > 0 && shared < this.pieces.count;
    return short && hadItsTime(now - (announcedAt ?? now), descriptor.duration);
  }

  /** Note that a piece arrived. */
  arrived(now: number): void {
    this.#transfer.arrived(now);
  }

  /** How long peers took to complete it, ms, `now` that it is; null if it was not announced. */
  tookMs(now: number): number | null {
    if (this.announcedAt === null) return null;
    return now - this.announcedAt + (this.late ? LATE_MS : 0);
  }

  /** How long the network was busy with this segment, ms: what a bandwidth estimate may use. */
  get transferMs(): number {
    return this.#transfer.ms;
  }

  finish(): void {
    for (const waiter of this.waiters) waiter.done();
    this.waiters.clear();
  }
  fail(error: Error): void {
    for (const waiter of this.waiters) waiter.failed(error);
    this.waiters.clear();
  }
}

export class SegmentCache {
  #segments = new Map<string, Segment>();
  #newest: Sequence | null = null;

  /** @param onEvict told of each segment that leaves memory */
  constructor(private readonly onEvict: (segment: Segment) => void) {}

  /** The newest media sequence seen. */
  get newest(): Sequence | null {
    return this.#newest;
  }

  get(variant: Variant, sequence: Sequence): Segment | undefined {
    return this.#segments.get(key(variant, sequence));
  }

  all(): IterableIterator<Segment> {
    return this.#segments.values();
  }

  /**
   * The segment of a descriptor, made if need be; others make room for it.
   *
   * @param playhead the sequence last asked for, around which segments are kept
   */
  ensure(descriptor: Descriptor, playhead: Sequence): Segment {
    const { variant, sequence } = descriptor;
    const known = this.get(variant, sequence);
    // the URL is what identifies a segment: a sequence that means something new replaces the old
    if (known?.descriptor.url === descriptor.url) return known;
    if (known) this.#evict(known);
    const segment = new Segment(descriptor);
    this.#segments.set(key(variant, sequence), segment);
    this.#newest = Math.max(this.#newest ?? 0, sequence);
    this.#makeRoom(segment, playhead);
    return segment;
  }

  #makeRoom(keep: Segment, playhead: Sequence): void {
    const newest = this.#newest ?? 0;
    const distance = ({ descriptor }: Segment): number => Math.abs(descriptor.sequence - playhead);
    const candidates = [...this.#segments.values()]
      .filter((segment) => segment !== keep && segment.waiters.size === 0)
      .sort((a, b) => distance(b) - distance(a));
    // the newest go last: they are needed soonest by those whom we serve
    const recent = (segment: Segment) => segment.descriptor.sequence > newest - NEWEST_KEPT;
    const order = [...candidates.filter((s) => !recent(s)), ...candidates.filter(recent)];
    for (const segment of order) {
      if (this.#segments.size <= MAX_SEGMENTS && this.#bytes() <= MAX_SEGMENT_MEMORY_BYTES) return;
      this.#evict(segment);
    }
  }

  #bytes(): number {
    let sum = 0;
    for (const { descriptor } of this.#segments.values()) sum += descriptor.size;
    return sum;
  }

  #evict(segment: Segment): void {
    this.#segments.delete(key(segment.descriptor.variant, segment.descriptor.sequence));
    segment.fail(new Error(`${segment.descriptor.url} is no longer kept`));
    this.onEvict(segment);
  }
}

function key(variant: Variant, sequence: Sequence): string {
  return `${variant}/${sequence}`;
}
