/**
 * Brings pieces into segments, verified: from the store, and from the torrent seed where that is
 * this viewer's part.
 */

import type { Downlink } from "./downlink-estimator";
import type { Magnets } from "./torrent-seed";
import { rangesOf } from "./segment";
import type { PieceRange } from "../protocol/plan";
import type { Segment } from "./segment";
import type { Source } from "./stats";
import type { Store } from "./store";

/** Who steps in for an owner gives it so many times what the seed usually takes. */
const LEAD_FACTOR = 2;

/**
 * Why pieces are fetched: `owner` and `successor` hand them on to the room, and may ask the seed for
 * them. What is for the player alone does not come from there while members may bring it.
 */
export type Purpose = "owner" | "successor" | "player";

export interface FetcherOptions {
  store: Store;
  /** null where the seed cannot be asked, or shall not be */
  magnets: Magnets | null;
  /** whether the piece has its hash, as far as this browser can tell */
  verified: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a piece that was claimed and verified */
  keep: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** told of bytes as they arrive, wanted or not */
  received: (source: Source, segment: Segment, count: number) => void;
  /** what the store's answers measure */
  downlink: Downlink;
  now: () => number;
  /** whether members may still bring a piece in time */
  expected: (segment: Segment, index: number) => boolean;
}

export class Fetcher {
  #o: FetcherOptions;
  #stop = new AbortController();
  /** requests that nobody but the player counts on */
  #forPlayer = new Map<AbortController, Segment>();

  constructor(options: FetcherOptions) {
    this.#o = options;
  }

  /** How long the owners of a segment's slices take at the least, because the store lacks it, ms. */
  leadMs(segment: Segment): number {
    const magnets = this.#magnetsOf(segment);
    return magnets && this.#storeLacks(segment) ? LEAD_FACTOR * magnets.takesMs : 0;
  }

  /**
   * Bring the pieces of a range that are neither here nor under way. Waiters hear of failure when
   * nobody is left who could bring them.
   */
  fetch(segment: Segment, { first, end }: PieceRange, purpose: Purpose): void {
    const open = segment.pieces
      .missing()
      .filter((index) => first <= index && index < end && !segment.inFlight.has(index));
    const { store } = this.#o;
    const magnets = this.#magnetsOf(segment);
    if (magnets && this.#storeLacks(segment)) {
      // nobody waits for a store that is known to fail: one piece says whether it works again
      const [probe] = open;
      if (probe !== undefined && segment.descriptor.stored && store.health.try())
        void this.#fromStore(segment, { first: probe, end: probe + 1 }, purpose);
      this.#askSeed(segment, open, purpose);
      return;
    }
    if (magnets?.policy === "assist" && purpose !== "player") {
      const patienceMs = magnets.patienceMs(segment.descriptor);
      if (this.#askSeed(segment, open, purpose, patienceMs)) return;
    }
    for (const range of rangesOf(open)) void this.#fromStore(segment, range, purpose);
  }

  /** A piece is here, wherever from. */
  came(segment: Segment, index: number): void {
    if (segment.seeding.delete(index)) this.#o.magnets?.unwant(segment.descriptor, index);
  }

  /** The player does not want a segment any more. */
  abandon(segment: Segment): void {
    for (const [request, { descriptor }] of this.#forPlayer)
      if (descriptor === segment.descriptor) request.abort();
  }

  /** A segment leaves memory. */
  forget({ descriptor }: Segment): void {
    this.#o.magnets?.forget(descriptor);
  }

  close(): void {
    this.#stop.abort();
    for (const request of this.#forPlayer.keys()) request.abort();
    this.#o.magnets?.close();
  }

  /** Whether the store is known not to bring a segment. */
  #storeLacks({ descriptor }: Segment): boolean {
    return this.#o.store.health.failing || !descriptor.stored;
  }

  #magnetsOf({ descriptor }: Segment): Magnets | null {
    return descriptor.infohash === null ? null : this.#o.magnets;
  }

  async #fromStore(segment: Segment, range: PieceRange, purpose: Purpose): Promise<void> {
    const { store } = this.#o;
    const magnets = this.#magnetsOf(segment);
    const indices = Array.from({ length: range.end - range.first }, (_, k) => range.first + k);
    for (const index of indices) segment.inFlight.add(index);
    const silence = new Silence(store.quietMs, () => {
      for (const index of indices) segment.quiet.add(index);
      // an owner does so, too, and comes first
      const waitMs = purpose === "successor" ? LEAD_FACTOR * (magnets?.takesMs ?? 0) : 0;
      setTimeout(() => {
        if (!silence.over) this.#askSeed(segment, indices, purpose);
      }, waitMs);
    });
    const stop = purpose === "player" ? new AbortController() : this.#stop;
    if (stop !== this.#stop) this.#forPlayer.set(stop, segment);
    const { downlink } = this.#o;
    let answering = false;
    const heard = (count: number): void => {
      silence.heard();
      for (const index of indices) segment.quiet.delete(index);
      this.#o.received("store", segment, count);
      if (answering) downlink.fromStore(count, this.#o.now());
      else downlink.answerBegins(this.#o.now());
      answering = true;
    };
    const end = (): void => {
      this.#forPlayer.delete(stop);
      silence.end();
      if (answering) downlink.answerEnds();
      for (const index of indices) {
        segment.inFlight.delete(index);
        segment.quiet.delete(index);
      }
    };
    try {
      const how = { signal: stop.signal, ...(magnets && { attempts: 1 }) };
      const bad = await this.#request(segment, range, heard, how);
      for (const again of rangesOf(bad)) {
        const stillBad = await this.#request(segment, again, heard, { ...how, reload: true });
        if (stillBad.length > 0)
          throw new Error(`${segment.descriptor.url}: the store's bytes have a wrong hash`);
      }
      end();
    } catch (error) {
      end();
      if (stop.signal.aborted) return;
      this.#askSeed(segment, indices, purpose);
      this.#giveUp(segment, indices, error);
    }
  }

  /** One request to the store; returns the pieces whose hash was wrong, ascending. */
  async #request(
    segment: Segment,
    range: PieceRange,
    heard: (count: number) => void,
    how: { signal: AbortSignal; attempts?: number; reload?: boolean },
  ): Promise<number[]> {
    const bad: number[] = [];
    const checks: Promise<void>[] = [];
    await this.#o.store.readPieces(
      segment.descriptor,
      range,
      (index, bytes) => checks.push(this.#check(segment, index, bytes, bad)),
      { ...how, onBytes: heard },
    );
    await Promise.all(checks);
    return bad.sort((a, b) => a - b);
  }

  /**
   * Ask the seed for what is missing, where that is this viewer's part.
   *
   * @param patienceMs after which the store is asked in its place; without, as long as it delivers
   * @returns whether the seed is bringing it
   */
  #askSeed(
    segment: Segment,
    indices: readonly number[],
    purpose: Purpose,
    patienceMs?: number,
  ): boolean {
    const magnets = this.#magnetsOf(segment);
    const { pieces, seeding } = segment;
    const own = (index: number): boolean =>
      !pieces.has(index) && (purpose !== "player" || !this.#o.expected(segment, index));
    const open = indices.filter((index) => own(index) && !seeding.has(index));
    if (!magnets) return false;
    if (open.length === 0) return indices.some(own);
    if (!magnets.health.try()) return false;
    void this.#fromSeed(magnets, segment, open, purpose, patienceMs);
    return true;
  }

  async #fromSeed(
    magnets: Magnets,
    segment: Segment,
    indices: readonly number[],
    purpose: Purpose,
    patienceMs?: number,
  ): Promise<void> {
    const { store } = this.#o;
    const { pieces, seeding } = segment;
    for (const index of indices) seeding.add(index);
    const limit = new AbortController();
    const timer =
      patienceMs === undefined
        ? undefined
        : setTimeout(() => {
            limit.abort();
          }, patienceMs);
    const bad: number[] = [];
    const checks: Promise<void>[] = [];
    try {
      await magnets.fetch(segment.descriptor, indices, {
        signal: limit.signal,
        onPiece: (index, bytes) => {
          this.#o.received("seed", segment, bytes.byteLength);
          this.#o.downlink.fromPeer(bytes.byteLength, this.#o.now());
          checks.push(this.#check(segment, index, bytes, bad));
        },
      });
      await Promise.all(checks);
      if (bad.length > 0) throw new Error("the seed's bytes have a wrong hash");
    } catch (error) {
      for (const index of indices) seeding.delete(index);
      if (this.#stop.signal.aborted) return;
      const missing = indices.filter((i) => !pieces.has(i) && !segment.inFlight.has(i));
      if (store.health.failing) this.#giveUp(segment, missing, error);
      else for (const range of rangesOf(missing)) void this.#fromStore(segment, range, purpose);
    } finally {
      clearTimeout(timer);
      for (const index of indices) seeding.delete(index);
    }
  }

  async #check(
    segment: Segment,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    bad: number[],
  ): Promise<void> {
    const { pieces } = segment;
    if (!pieces.claim(index)) return;
    if (await this.#o.verified(segment, index, bytes)) {
      this.#o.keep(segment, index, bytes);
    } else {
      pieces.release(index);
      bad.push(index);
    }
  }

  /** Waiters hear of it if nothing and nobody is left to bring one of these pieces. */
  #giveUp(segment: Segment, indices: readonly number[], error: unknown): void {
    const { pieces, inFlight, seeding } = segment;
    const hopeless = indices.some(
      (index) =>
        !pieces.has(index) &&
        !inFlight.has(index) &&
        !seeding.has(index) &&
        !(this.#magnetsOf(segment) && this.#o.expected(segment, index)),
    );
    if (hopeless) segment.fail(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Says once that a request has brought nothing for long. */
class Silence {
  over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ms: number,
    private readonly onSilence: () => void,
  ) {
    this.heard();
  }

  heard(): void {
    clearTimeout(this.#timer);
    if (!this.over) this.#timer = setTimeout(this.onSilence, this.ms);
  }

  end(): void {
    this.over = true;
    clearTimeout(this.#timer);
  }
}
