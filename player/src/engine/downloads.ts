/**
 * Downloads from the store, and from the torrent seed where this viewer may use it. Pieces are
 * verified before they are kept.
 */

import type { DownlinkEstimator } from "./downlink-estimator";
import type { TorrentSeedClient } from "./torrent-seed";
import { rangesOf } from "./segment";
import type { PieceRange } from "../protocol/plan";
import type { Segment } from "./segment";
import type { Source } from "./stats";
import type { StoreClient } from "./store";

/** A successor allows for this many times the seed's usual time before it steps in. */
const SEED_TIME_FACTOR = 2;

/**
 * Why pieces are fetched. An owner and a successor push them to the room and may ask the seed for
 * them. Pieces that only the player needs do not come from the seed as long as members may deliver
 * them.
 */
export type Purpose = "owner" | "successor" | "player";

export interface DownloadsOptions {
  store: StoreClient;
  /** null if the seed is unavailable or must not be used */
  seedClient: TorrentSeedClient | null;
  /** resolves to whether the piece has its hash, as far as this browser can tell */
  verify: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a verified piece */
  onVerified: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** called with the number of bytes as they arrive, needed or not */
  onBytes: (source: Source, segment: Segment, count: number) => void;
  /** updated with the store's responses */
  downlink: DownlinkEstimator;
  now: () => number;
  /** whether members may still deliver a piece in time */
  isExpected: (segment: Segment, index: number) => boolean;
}

export class Downloads {
  #options: DownloadsOptions;
  #closed = new AbortController();
  /** requests that only the player depends on */
  #playerRequests = new Map<AbortController, Segment>();

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  /**
   * The least time that owners need for a segment that the store lacks, ms; 0 if the store has it.
   */
  minOwnerMs(segment: Segment): number {
    const seedClient = this.#seedClientFor(segment);
    return seedClient && this.#storeLacks(segment) ? SEED_TIME_FACTOR * seedClient.expectedMs : 0;
  }

  /**
   * Fetch the missing pieces of a range that have no store attempt. Waiters fail once nobody is
   * left to deliver these pieces.
   */
  fetch(segment: Segment, { first, end }: PieceRange, purpose: Purpose): void {
    const unrequested = segment.pieces
      .missing()
      .filter((index) => first <= index && index < end && !segment.storeAttempts.has(index));
    const { store } = this.#options;
    const seedClient = this.#seedClientFor(segment);
    if (seedClient && this.#storeLacks(segment)) {
      // the store is failing and nobody waits for it: one piece probes whether it works again
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

  /** A piece arrived, from any source. */
  pieceArrived(segment: Segment, index: number): void {
    if (segment.seedAttempts.delete(index))
      this.#options.seedClient?.cancel(segment.descriptor, index);
  }

  /** The player no longer wants a segment. */
  abandon(segment: Segment): void {
    for (const [request, { descriptor }] of this.#playerRequests)
      if (descriptor === segment.descriptor) request.abort();
  }

  /** A segment was evicted. */
  evict({ descriptor }: Segment): void {
    this.#options.seedClient?.evict(descriptor);
  }

  close(): void {
    this.#closed.abort();
    for (const request of this.#playerRequests.keys()) request.abort();
    this.#options.seedClient?.close();
  }

  /** Whether the store is known to be unable to deliver a segment. */
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
      // the owner asks the seed, too, and goes first
      const delayMs =
        purpose === "successor" ? SEED_TIME_FACTOR * (seedClient?.expectedMs ?? 0) : 0;
      setTimeout(() => {
        if (!quietTimer.ended) this.#askSeed(segment, indices, purpose);
      }, delayMs);
    });
    const controller = purpose === "player" ? new AbortController() : this.#closed;
    if (controller !== this.#closed) this.#playerRequests.set(controller, segment);
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
      this.#playerRequests.delete(controller);
      quietTimer.end();
      if (responding) downlink.responseEnded();
      for (const index of indices) {
        segment.storeAttempts.delete(index);
        segment.quietAttempts.delete(index);
      }
    };
    try {
      const request = { signal: controller.signal, ...(seedClient && { attempts: 1 }) };
      const bad = await this.#request(segment, range, onBytes, request);
      for (const badRange of rangesOf(bad)) {
        const stillBad = await this.#request(segment, badRange, onBytes, {
          ...request,
          reload: true,
        });
        if (stillBad.length > 0)
          throw new Error(
            `${segment.descriptor.url}: wrong hash, also after a reload past the cache`,
          );
      }
      end();
    } catch (error) {
      end();
      if (controller.signal.aborted) return;
      this.#askSeed(segment, indices, purpose);
      this.#giveUp(segment, indices, error);
    }
  }

  /** Make one request to the store. Returns the pieces whose hash was wrong, ascending. */
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
      { ...request, onBytes },
    );
    await Promise.all(checks);
    return bad.sort((a, b) => a - b);
  }

  /**
   * Ask the seed for missing pieces, if this viewer may.
   *
   * @param timeoutMs after this time the store is asked instead; by default, wait as long as the
   *   seed delivers
   * @returns whether the seed is delivering them
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
      if (bad.length > 0)
        throw new Error(`${segment.descriptor.url}: wrong hash of pieces from the torrent seed`);
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

  /** Fail the waiters if no source is left for one of these pieces. */
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

/** Reports once when a request has brought nothing for a while. */
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
