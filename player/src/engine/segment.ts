/** The segments in memory: a bounded set around the playhead. No I/O. */

import type { PlannedSlice } from "../room/room";
import type { Descriptor, MemberId, Sequence, Variant } from "../protocol/messages";
import { TransferTime } from "./transfer-time";
import type { PieceRange } from "../protocol/plan";

export const MAX_SEGMENTS = 16;
export const MAX_SEGMENT_MEMORY_BYTES = 64 * 1024 * 1024;
/** Of the newest segments pieces are still on their way, wherever the playhead is. */
const NEWEST_KEPT = 3;

/** A segment that the store had to complete took peers so much longer, at the least. */
const LATE_PENALTY_MS = 500;

/** Somebody (hls.js) waits for this segment. */
export interface Waiter {
  /** when it was asked for, ms */
  startedAt: number;
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
  storeAttempts = new Set<number>();
  /** of these, the ones whose request has brought nothing for long */
  quietAttempts = new Set<number>();
  /** pieces that the torrent seed was asked for */
  seedAttempts = new Set<number>();
  /** pieces that a member was asked for, and when, ms */
  peerRequests = new Map<number, { from: MemberId; at: number }>();
  /** pieces that this viewer fetches in their owner's place */
  successorDuties = new Set<number>();
  /** what members say that they have: bit n for piece n */
  availability = new Map<MemberId, number>();
  /** when the members were told what is here, ms */
  availabilitySentAt = -Infinity;
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
  hasLiveStoreAttempt(piece: number): boolean {
    return this.storeAttempts.has(piece) && !this.quietAttempts.has(piece);
  }

  /** Whether a member says that it has a piece. */
  isHeldBy(id: MemberId, piece: number): boolean {
    return (((this.availability.get(id) ?? 0) >>> piece) & 1) === 1;
  }

  /** The slice that a piece is in; a piece that is left to the store is in none. */
  sliceOf(piece: number): PlannedSlice | undefined {
    return this.slices.find(({ first, end }) => first <= piece && piece < end);
  }

  /** Note that a piece arrived. */
  arrived(now: number): void {
    this.#transfer.arrived(now);
  }

  /** How long peers took to complete it, ms, `now` that it is; null if it was not announced. */
  completionMs(now: number): number | null {
    if (this.announcedAt === null) return null;
    return now - this.announcedAt + (this.late ? LATE_PENALTY_MS : 0);
  }

  /** How long the network was busy with this segment, ms: what a bandwidth estimate may use. */
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
  getOrAdd(descriptor: Descriptor, playhead: Sequence): Segment {
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

// The pieces of one segment: which are here, which are missing, and their bytes. No I/O.

export class SegmentPieces {
  readonly count: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #have: Uint8Array;
  /** pieces whose hash is being computed: WebCrypto answers later */
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

  /** Bytes of piece `index`; 0 for an index outside the segment. */
  lengthOf(index: number): number {
    if (index < 0 || index >= this.count) return 0;
    const { pieceSize, size } = this.descriptor;
    return Math.min(pieceSize, size - index * pieceSize);
  }

  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  /**
   * Reserve a piece for verification, so that two sources cannot both deliver it.
   *
   * @returns false if it is here already or being verified: the caller has a duplicate
   */
  beginVerification(index: number): boolean {
    if (this.has(index) || this.#verifying.has(index)) return false;
    this.#verifying.add(index);
    return true;
  }

  /** Give up a claim: the bytes were wrong. */
  failVerification(index: number): void {
    this.#verifying.delete(index);
  }

  /** Keep a verified piece that was claimed. */
  put(index: number, bytes: Uint8Array): void {
    if (!this.#verifying.delete(index) || bytes.byteLength !== this.lengthOf(index))
      throw new Error(`piece ${index} of ${this.descriptor.url} was not claimed or does not fit`);
    this.#bytes.set(bytes, index * this.descriptor.pieceSize);
    this.#have[index] = 1;
    this.#haveCount += 1;
  }

  /** A view of a piece that is here. */
  piece(index: number): Uint8Array<ArrayBuffer> {
    const first = index * this.descriptor.pieceSize;
    return this.#bytes.subarray(first, first + this.lengthOf(index));
  }

  /** Bit n: piece n is here. A segment has 32 pieces at the most. */
  get bitfield(): number {
    return this.#have.reduce((bits, have, index) => (have ? (bits | (1 << index)) >>> 0 : bits), 0);
  }

  /** Indices of the pieces that are here. */
  present(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => this.has(i));
  }

  /** Indices of the pieces that are not here, those being verified included. */
  missing(): number[] {
    return Array.from({ length: this.count }, (_, index) => index).filter((i) => !this.has(i));
  }

  /** A copy of the whole segment: hls.js may transfer the buffer away, and peers read ours. */
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
