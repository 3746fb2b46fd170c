/**
 * The segments that the player is waiting for, and when their missing pieces must come from the
 * store.
 */

import type { Downloads } from "./downloads";
import { decideFetches } from "./deadline";
import type { Segment, Waiter } from "./segment";
import type { Startup, Stats } from "./stats";
import type { StoreClient } from "./store";

/** With an empty buffer, a player that has waited this long no longer counts on peers. */
const STARVED_WAIT_MS = 3_000;

export interface PlayerRequestsOptions {
  store: StoreClient;
  downloads: Downloads;
  stats: Stats;
  startup: Startup;
  now: () => number;
  /** seconds of video ahead of the playhead; 0 if there is nothing to play */
  bufferedS: () => number;
  /** whether a peer may still deliver this piece */
  isExpected: (segment: Segment, piece: number) => boolean;
  /** whether peers already fill the downlink */
  isDownlinkFull: () => boolean;
  /** all cached segments */
  segments: () => Iterable<Segment>;
}

/** What is missing of the segments that the player is waiting for, bytes. */
export interface Missing {
  all: number;
  /** the part that peers are expected to deliver */
  expected: number;
}

export class PlayerRequests {
  /** when pieces last had to be fetched because peers were late, ms; -Infinity: never */
  lateAt = -Infinity;
  #options: PlayerRequestsOptions;

  constructor(options: PlayerRequestsOptions) {
    this.#options = options;
  }

  /**
   * Wait until a segment is complete.
   *
   * @throws when it cannot be fetched, or when `signal` is aborted. Requests continue after an
   *   abort: other members may depend on them, and the player may come back.
   */
  async wait(segment: Segment, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        segment.waiters.delete(waiter);
        reject(new Error("no longer requested"));
      };
      const waiter: Waiter = {
        startedAt: this.#options.now(),
        done: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
        failed: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      segment.waiters.add(waiter);
      this.#abandonOtherVariants(segment);
      signal.addEventListener("abort", onAbort, { once: true });
      this.checkDeadline(segment);
    });
  }

  get missing(): Missing {
    const missing = { all: 0, expected: 0 };
    for (const segment of this.#options.segments()) {
      if (segment.waiters.size === 0) continue;
      for (const index of segment.pieces.missing()) {
        const bytes = segment.pieces.lengthOf(index);
        missing.all += bytes;
        if (this.#options.isExpected(segment, index)) missing.expected += bytes;
      }
    }
    return missing;
  }

  /** Whether the buffer is empty and peers have been waited for long enough. */
  isStarved(segment: Segment): boolean {
    return this.#options.bufferedS() === 0 && this.#waitedMs(segment) > STARVED_WAIT_MS;
  }

  /** Fetch the pieces whose deadline has come. */
  checkDeadline(segment: Segment): void {
    const { store, stats, startup, downloads, isExpected } = this.#options;
    const { pieces, descriptor } = segment;
    const { ranges, late } = decideFetches({
      durationS: descriptor.duration,
      bufferedS: this.#options.bufferedS(),
      waitedS: this.#waitedMs(segment) / 1000,
      missing: pieces.missing(),
      hasStoreAttempt: (piece) => segment.storeAttempts.has(piece),
      isExpected: (piece) => isExpected(segment, piece),
      downlinkFull: this.#options.isDownlinkFull() && !this.isStarved(segment),
      storeEstimateS: (count) => store.estimateS(count * descriptor.pieceSize),
    });
    if (late && !segment.late && !startup.includes(descriptor.sequence)) {
      segment.late = true;
      this.lateAt = this.#options.now();
      stats.segments.deadline_fetches += 1;
    }
    for (const range of ranges) downloads.fetch(segment, range, "player");
  }

  /**
   * Abort requests for segments of other variants that the player no longer waits for. The downlink
   * may be too slow for both.
   */
  #abandonOtherVariants({ descriptor }: Segment): void {
    for (const other of this.#options.segments())
      if (other.descriptor.variant !== descriptor.variant && other.waiters.size === 0)
        this.#options.downloads.abandon(other);
  }

  /** How long the player has been waiting for a segment; negative if it is not. */
  #waitedMs({ waiters }: Segment): number {
    return this.#options.now() - Math.min(...Array.from(waiters, ({ startedAt }) => startedAt));
  }
}
