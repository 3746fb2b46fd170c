/** The player's side of a segment: who waits for it, and when its pieces must come from the store. */

import type { Downloads } from "./downloads";
import { decideFetches } from "./deadline";
import type { Segment, Waiter } from "./segment";
import type { Startup, Stats } from "./stats";
import type { StoreClient } from "./store";

/** A player that has run dry and waits for so long counts on members no more. */
const STARVED_WAIT_MS = 3_000;

export interface PlayerRequestsOptions {
  store: StoreClient;
  downloads: Downloads;
  stats: Stats;
  startup: Startup;
  now: () => number;
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** whether a peer may still bring this piece */
  isExpected: (segment: Segment, piece: number) => boolean;
  /** whether peers bring as much as this viewer's link carries */
  isDownlinkFull: () => boolean;
  /** all segments in memory */
  segments: () => Iterable<Segment>;
}

/** What is missing of the segments that the player waits for, bytes. */
export interface Missing {
  all: number;
  /** of these, what peers are expected to bring */
  expected: number;
}

export class PlayerRequests {
  /** when pieces had to be fetched last because peers were late, ms; -Infinity: never */
  lateAt = -Infinity;
  #options: PlayerRequestsOptions;

  constructor(options: PlayerRequestsOptions) {
    this.#options = options;
  }

  /**
   * Wait until a segment is complete.
   *
   * @throws when it cannot be fetched, or when `signal` is aborted: what was requested goes on,
   *   because others may wait for it, and the player may come back
   */
  async wait(segment: Segment, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        segment.waiters.delete(waiter);
        reject(new Error("no longer wanted"));
      };
      const waiter: Waiter = {
        startedAt: this.#options.now(),
        done: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
        failed: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      };
      segment.waiters.add(waiter);
      this.#abandonOtherVariants(segment);
      signal.addEventListener("abort", leave, { once: true });
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

  /** Whether members were waited for too long already. */
  isStarved(segment: Segment): boolean {
    return this.#options.bufferedS() === 0 && this.#waitedMs(segment) > STARVED_WAIT_MS;
  }

  /** Request from the store what must not be waited for any longer. */
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

  /** Request no further what the player has left for another rendition: its link is too slow for both. */
  #abandonOtherVariants({ descriptor }: Segment): void {
    for (const other of this.#options.segments())
      if (other.descriptor.variant !== descriptor.variant && other.waiters.size === 0)
        this.#options.downloads.abandon(other);
  }

  /** How long a segment has been waited for; negative when nobody waits. */
  #waitedMs({ waiters }: Segment): number {
    return this.#options.now() - Math.min(...Array.from(waiters, ({ startedAt }) => startedAt));
  }
}
