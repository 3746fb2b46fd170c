/**
 * Brings pieces into segments, verified: from the store, and from the torrent seed where that is
 * this viewer's part.
 */

import type { DownlinkEstimator } from "./downlink-estimator";
import type { TorrentSeedClient } from "./torrent-seed";
import { rangesOf } from "./segment";
import type { PieceRange } from "../protocol/plan";
import type { Segment } from "./segment";
import type { Source } from "./stats";
import type { StoreClient } from "./store";

/** Who steps in for an owner gives it so many times what the seed usually takes. */
const SEED_TIME_FACTOR = 2;

/**
 * Why pieces are fetched: `owner` and `successor` hand them on to the room, and may ask the seed for
 * them. What is for the player alone does not come from there while members may bring it.
 */
export type Purpose = "owner" | "successor" | "player";

export interface DownloadsOptions {
  store: StoreClient;
  /** null where the seed cannot be asked, or shall not be */
  seedClient: TorrentSeedClient | null;
  /** whether the piece has its hash, as far as this browser can tell */
  verify: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a piece that was claimed and verified */
  onVerified: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** told of bytes as they arrive, wanted or not */
  onBytes: (source: Source, segment: Segment, count: number) => void;
  /** what the store's answers measure */
  downlink: DownlinkEstimator;
  now: () => number;
  /** whether members may still bring a piece in time */
  isExpected: (segment: Segment, index: number) => boolean;
}

export class Downloads {
  #options: DownloadsOptions;
  #closed = new AbortController();
  /** requests that nobody but the player counts on */
  #playerRequests = new Map<AbortController, Segment>();

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  /** How long the owners of a segment's slices take at the least, because the store lacks it, ms. */
  minOwnerMs(segment: Segment): number {
    const seedClient = this.#seedClientFor(segment);
    return seedClient && this.#storeLacks(segment) ? SEED_TIME_FACTOR * seedClient.expectedMs : 0;
  }

  /**
   * Bring the pieces of a range that are neither here nor under way. Waiters hear of failure when
   * nobody is left who could bring them.
   */
  fetch(segment: Segment, { first, end }: PieceRange, purpose: Purpose): void {
    const unrequested = segment.pieces
      .missing()
      .filter((index) => first <= index && index < end && !segment.storeAttempts.has(index));
    const { store } = this.#options;
    const seedClient = this.#seedClientFor(segment);
    if (seedClient && this.#storeLacks(segment)) {
      // nobody waits for a store that is known to fail: one piece says whether it works again
      const [probe] = unrequested;
      if (probe !== undefined && segment.descriptor.stored && store.health.mayTry())
        void this.#fetchFromStore(segment, { first: probe, end: probe + 1 }, purpose);
      this.#askSeed(segment, unrequested, purpose);
      return;
    }
    if (seedClient?.policy === "assist" && purpose !== "player") {
      const timeoutMs = seedClient.assistTimeoutMs(segment.descriptor);
      if (this.#askSeed(segment, unrequested, purpose, timeoutMs)) return;
    }
    for (const range of rangesOf(unrequested)) void this.#fetchFromStore(segment, range, purpose);
  }

  /** A piece is here, wherever from. */
  pieceArrived(segment: Segment, index: number): void {
    if (segment.seedAttempts.delete(index))
      this.#options.seedClient?.cancel(segment.descriptor, index);
  }

  /** The player does not want a segment any more. */
  abandon(segment: Segment): void {
    for (const [request, { descriptor }] of this.#playerRequests)
      if (descriptor === segment.descriptor) request.abort();
  }

  /** A segment leaves memory. */
  evict({ descriptor }: Segment): void {
    this.#options.seedClient?.evict(descriptor);
  }

  close(): void {
    this.#closed.abort();
    for (const request of this.#playerRequests.keys()) request.abort();
    this.#options.seedClient?.close();
  }

  /** Whether the store is known not to bring a segment. */
  #storeLacks({ descriptor }: Segment): boolean {
    return this.#options.store.health.failing || !descriptor.stored;
  }

  #seedClientFor({ descriptor }: Segment): TorrentSeedClient | null {
    return descriptor.infohash === null ? null : this.#options.seedClient;
  }

  async #fetchFromStore(segment: Segment, range: PieceRange, purpose: Purpose): Promise<void> {
    const { store } = this.#options;
    const seedClient = this.#seedClientFor(segment);
    const indices = Array.from({ length: range.end - range.first }, (_, k) => range.first + k);
    for (const index of indices) segment.storeAttempts.add(index);
    const quietTimer = new QuietTimer(store.quietAfterMs, () => {
      for (const index of indices) segment.quietAttempts.add(index);
      // an owner does so, too, and comes first
      const delayMs =
        purpose === "successor" ? SEED_TIME_FACTOR * (seedClient?.expectedMs ?? 0) : 0;
      setTimeout(() => {
        if (!quietTimer.ended) this.#askSeed(segment, indices, purpose);
      }, delayMs);
    });
    const stop = purpose === "player" ? new AbortController() : this.#closed;
    if (stop !== this.#closed) this.#playerRequests.set(stop, segment);
    const { downlink } = this.#options;
    let responding = false;
    const onBytes = (count: number): void => {
      quietTimer.restart();
      for (const index of indices) segment.quietAttempts.delete(index);
      this.#options.onBytes("store", segment, count);
      if (responding) downlink.addStoreBytes(count, this.#options.now());
      else downlink.responseStarted(this.#options.now());
      responding = true;
    };
    const end = (): void => {
      this.#playerRequests.delete(stop);
      quietTimer.end();
      if (responding) downlink.responseEnded();
      for (const index of indices) {
        segment.storeAttempts.delete(index);
        segment.quietAttempts.delete(index);
      }
    };
    try {
      const request = { signal: stop.signal, ...(seedClient && { attempts: 1 }) };
      const bad = await this.#request(segment, range, onBytes, request);
      for (const badRange of rangesOf(bad)) {
        const stillBad = await this.#request(segment, badRange, onBytes, {
          ...request,
          reload: true,
        });
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
    onBytes: (count: number) => void,
    request: { signal: AbortSignal; attempts?: number; reload?: boolean },
  ): Promise<number[]> {
    const bad: number[] = [];
    const checks: Promise<void>[] = [];
    await this.#options.store.readPieces(
      segment.descriptor,
      range,
      (index, bytes) => checks.push(this.#verifyPiece(segment, index, bytes, bad)),
      { ...request, onBytes: onBytes },
    );
    await Promise.all(checks);
    return bad.sort((a, b) => a - b);
  }

  /**
   * Ask the seed for what is missing, where that is this viewer's part.
   *
   * @param timeoutMs after which the store is asked in its place; without, as long as it delivers
   * @returns whether the seed is bringing it
   */
  #askSeed(
    segment: Segment,
    indices: readonly number[],
    purpose: Purpose,
    timeoutMs?: number,
  ): boolean {
    const seedClient = this.#seedClientFor(segment);
    const { pieces, seedAttempts } = segment;
    const isNeeded = (index: number): boolean =>
      !pieces.has(index) && (purpose !== "player" || !this.#options.isExpected(segment, index));
    const unrequested = indices.filter((index) => isNeeded(index) && !seedAttempts.has(index));
    if (!seedClient) return false;
    if (unrequested.length === 0) return indices.some(isNeeded);
    if (!seedClient.health.mayTry()) return false;
    void this.#fetchFromSeed(seedClient, segment, unrequested, purpose, timeoutMs);
    return true;
  }

  async #fetchFromSeed(
    seedClient: TorrentSeedClient,
    segment: Segment,
    indices: readonly number[],
    purpose: Purpose,
    timeoutMs?: number,
  ): Promise<void> {
    const { store } = this.#options;
    const { pieces, seedAttempts } = segment;
    for (const index of indices) seedAttempts.add(index);
    const timeout = new AbortController();
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timeout.abort();
          }, timeoutMs);
    const bad: number[] = [];
    const checks: Promise<void>[] = [];
    try {
      await seedClient.fetch(segment.descriptor, indices, {
        signal: timeout.signal,
        onPiece: (index, bytes) => {
          this.#options.onBytes("seed", segment, bytes.byteLength);
          this.#options.downlink.addPeerBytes(bytes.byteLength, this.#options.now());
          checks.push(this.#verifyPiece(segment, index, bytes, bad));
        },
      });
      await Promise.all(checks);
      if (bad.length > 0) throw new Error("the seed's bytes have a wrong hash");
    } catch (error) {
      for (const index of indices) seedAttempts.delete(index);
      if (this.#closed.signal.aborted) return;
      const missing = indices.filter((i) => !pieces.has(i) && !segment.storeAttempts.has(i));
      if (store.health.failing) this.#giveUp(segment, missing, error);
      else
        for (const range of rangesOf(missing)) void this.#fetchFromStore(segment, range, purpose);
    } finally {
      clearTimeout(timer);
      for (const index of indices) seedAttempts.delete(index);
    }
  }

  async #verifyPiece(
    segment: Segment,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    bad: number[],
  ): Promise<void> {
    const { pieces } = segment;
    if (!pieces.beginVerification(index)) return;
    if (await this.#options.verify(segment, index, bytes)) {
      this.#options.onVerified(segment, index, bytes);
    } else {
      pieces.failVerification(index);
      bad.push(index);
    }
  }

  /** Waiters hear of it if nothing and nobody is left to bring one of these pieces. */
  #giveUp(segment: Segment, indices: readonly number[], error: unknown): void {
    const { pieces, storeAttempts, seedAttempts } = segment;
    const hopeless = indices.some(
      (index) =>
        !pieces.has(index) &&
        !storeAttempts.has(index) &&
        !seedAttempts.has(index) &&
        !(this.#seedClientFor(segment) && this.#options.isExpected(segment, index)),
    );
    if (hopeless) segment.fail(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Says once that a request has brought nothing for long. */
class QuietTimer {
  ended = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ms: number,
    private readonly onQuiet: () => void,
  ) {
    this.restart();
  }

  restart(): void {
    clearTimeout(this.#timer);
    if (!this.ended) this.#timer = setTimeout(this.onQuiet, this.ms);
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.#timer);
  }
}
