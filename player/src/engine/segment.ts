/**
 * Segments in memory: their pieces and attempts, and a bounded cache around the playhead. No I/O.
 */

import type { PlannedSlice } from "../room/room";
import type { Descriptor, MemberId, Sequence, Variant } from "../protocol/messages";
import { TransferTime } from "./transfer-time";
import type { PieceRange } from "../protocol/plan";

export const MAX_SEGMENTS = 16;
export const MAX_SEGMENT_MEMORY_BYTES = 64 * 1024 * 1024;
/** The newest segments are still being exchanged, wherever the playhead is. */
const NEWEST_KEPT = 3;

/**
 * Added to the completion time of a segment that the store had to complete: peers would have taken
 * longer, at least by this.
 */
const LATE_PENALTY_MS = 500;

/** A caller (hls.js) that waits for this segment. */
export interface Waiter {
  /** when it requested the segment, ms */
  startedAt: number;
  done: () => void;
  failed: (error: Error) => void;
}

/** The state of one segment. */
export class Segment {
  readonly pieces: SegmentPieces;
  /** the plan; empty until the segment is announced to this member of a room */
  slices: readonly PlannedSlice[] = [];
  /** when it was announced, ms; null if it is known from elsewhere */
  announcedAt: number | null = null;
  /** pieces with a store attempt */
  storeAttempts = new Set<number>();
  /** those whose store attempt is quiet */
  quietAttempts = new Set<number>();
  /** pieces with a seed attempt */
  seedAttempts = new Set<number>();
  /** pieces with an open request to a member, and since when, ms */
  peerRequests = new Map<number, { from: MemberId; at: number }>();
  /** pieces that this viewer fetches and pushes as a successor */
  successorDuties = new Set<number>();
  /** bitmap of the pieces that each member has: bit n for piece n */
  availability = new Map<MemberId, number>();
  /** when this viewer last sent its own availability, ms */
  availabilitySentAt = -Infinity;
  /** number of pieces served to each member */
  served = new Map<MemberId, number>();
  waiters = new Set<Waiter>();
  /** whether pieces had to be fetched because peers were late */
  late = false;
  #transfer = new TransferTime();

  constructor(readonly descriptor: Descriptor) {
    this.pieces = new SegmentPieces(descriptor);
  }

  /** Whether a piece has a store attempt that is not quiet. */
  hasLiveStoreAttempt(piece: number): boolean {
    return this.storeAttempts.has(piece) && !this.quietAttempts.has(piece);
  }

  /** Whether a member has this piece, according to its availability. */
  isHeldBy(id: MemberId, piece: number): boolean {
    return (((this.availability.get(id) ?? 0) >>> piece) & 1) === 1;
  }

  /** The slice that contains a piece; undefined for pieces of the origin share. */
  sliceOf(piece: number): PlannedSlice | undefined {
    return this.slices.find(({ first, end }) => first <= piece && piece < end);
  }

  /** A piece arrived. */
  arrived(now: number): void {
    this.#transfer.arrived(now);
  }

  /**
   * How long peers took to complete the segment, ms, if it is complete `now`; null if it was not
   * announced.
   */
  completionMs(now: number): number | null {
    if (this.announcedAt === null) return null;
    return now - this.announcedAt + (this.late ? LATE_PENALTY_MS : 0);
  }

  /** How long the network was busy with this segment, ms, as input for a bandwidth estimate. */
  get transferMs(): number {
    return this.#transfer.ms;
  }

  deliver(): void {
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

  /** @param onEvict called with each segment that is evicted */
  constructor(private readonly onEvict: (segment: Segment) => void) {}

  /** The newest known media sequence. */
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
   * The segment of a descriptor, created if necessary, which may evict others.
   *
   * @param playhead the sequence last requested, around which segments are kept
   */
  getOrAdd(descriptor: Descriptor, playhead: Sequence): Segment {
    const { variant, sequence } = descriptor;
    const existing = this.get(variant, sequence);
    // the URL identifies a segment: a sequence with another URL is another segment and replaces the
    // old one
    if (existing?.descriptor.url === descriptor.url) return existing;
    if (existing) this.#evict(existing);
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
    // evict the newest last: they are the ones that members need from this viewer next
    const recent = (segment: Segment) => segment.descriptor.sequence > newest - NEWEST_KEPT;
    const evictionOrder = [...candidates.filter((s) => !recent(s)), ...candidates.filter(recent)];
    for (const segment of evictionOrder) {
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
    segment.fail(new Error(`${segment.descriptor.url} was evicted before it was complete`));
    this.onEvict(segment);
  }
}

function key(variant: Variant, sequence: Sequence): string {
  return `${variant}/${sequence}`;
}

/** The pieces of one segment: which of them are here, and their bytes. */
export class SegmentPieces {
  readonly count: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #have: Uint8Array;
  /** pieces being verified: WebCrypto answers later */
  #verifying = new Set<number>();
  #haveCount = 0;

  constructor(readonly descriptor: Descriptor) {
    this.count = Math.ceil(descriptor.size / descriptor.pieceSize);
    this.#bytes = new Uint8Array(descriptor.size);
    this.#have = new Uint8Array(this.count);
  }

  get complete(): boolean {
    return this.#haveCount === this.count;
  }

  /** Size of piece `index`, bytes; 0 for an index outside the segment. */
  lengthOf(index: number): number {
    if (index < 0 || index >= this.count) return 0;
    const { pieceSize, size } = this.descriptor;
    return Math.min(pieceSize, size - index * pieceSize);
  }

  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  /**
   * Mark a piece as being verified, so that no second source delivers it meanwhile.
   *
   * @returns false if the piece is here or already being verified: the caller has a duplicate
   */
  beginVerification(index: number): boolean {
    if (this.has(index) || this.#verifying.has(index)) return false;
    this.#verifying.add(index);
    return true;
  }

  /** The hash was wrong: the piece is missing again. */
  failVerification(index: number): void {
    this.#verifying.delete(index);
  }

  /** Keep a piece that passed its verification. */
  put(index: number, bytes: Uint8Array): void {
    if (!this.#verifying.delete(index) || bytes.byteLength !== this.lengthOf(index))
      throw new Error(
        `piece ${index} of ${this.descriptor.url} is not being verified or has a wrong size`,
      );
    this.#bytes.set(bytes, index * this.descriptor.pieceSize);
    this.#have[index] = 1;
    this.#haveCount += 1;
  }

  /** A view of the bytes of a piece that is here. */
  piece(index: number): Uint8Array<ArrayBuffer> {
    const first = index * this.descriptor.pieceSize;
    return this.#bytes.subarray(first, first + this.lengthOf(index));
  }

  /** Bitmap: bit n is set if piece n is here. A segment has at most 32 pieces. */
  get bitfield(): number {
    return this.#have.reduce((bits, have, index) => (have ? (bits | (1 << index)) >>> 0 : bits), 0);
  }

  /** Indices of the pieces that are here. */
  present(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => this.has(i));
  }

  /** Indices of the pieces that are not here, including those being verified. */
  missing(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => !this.has(i));
  }

  /**
   * A copy of the whole segment, because hls.js may transfer the buffer away, and this one still
   * serves peers.
   */
  copy(): ArrayBuffer {
    return this.#bytes.buffer.slice(0);
  }
}

/** Join sorted piece indices into contiguous ranges. */
export function rangesOf(indices: readonly number[]): PieceRange[] {
  const ranges: PieceRange[] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last?.end === index) last.end += 1;
    else ranges.push({ first: index, end: index + 1 });
  }
  return ranges;
}
