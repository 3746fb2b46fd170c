/** The player's side of a segment: who waits for it, and when its pieces must come from the store. */

import type { Fetcher } from "./downloads";
import { schedule } from "./deadline";
import type { Segment, Waiter } from "./segment";
import type { Startup, Stats } from "./stats";
import type { Store } from "./store";

/** A player that has run dry and waits for so long counts on members no more. */
const DRY_WAIT_MS = 3_000;

export interface DemandOptions {
  store: Store;
  fetcher: Fetcher;
  stats: Stats;
  startup: Startup;
  now: () => number;
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** whether a peer may still bring this piece */
  expected: (segment: Segment, piece: number) => boolean;
  /** whether peers bring as much as this viewer's link carries */
  linkFull: () => boolean;
  /** all segments in memory */
  segments: () => Iterable<Segment>;
}

/** What is missing of the segments that the player waits for, bytes. */
export interface Missing {
  all: number;
  /** of these, what peers are expected to bring */
  expected: number;
}

export class Demand {
  /** when pieces had to be fetched last because peers were late, ms; -Infinity: never */
  lateAt = -Infinity;
  #o: DemandOptions;

  constructor(options: DemandOptions) {
    this.#o = options;
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
        since: this.#o.now(),
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
      this.#abandonOthers(segment);
      signal.addEventListener("abort", leave, { once: true });
      this.consider(segment);
    });
  }

  get missing(): Missing {
    const missing = { all: 0, expected: 0 };
    for (const segment of this.#o.segments()) {
      if (segment.waiters.size === 0) continue;
      for (const index of segment.pieces.missing()) {
        const bytes = segment.pieces.lengthOf(index);
        missing.all += bytes;
        if (this.#o.expected(segment, index)) missing.expected += bytes;
      }
    }
    return missing;
  }

  /** Whether members were waited for too long already. */
  isDry(segment: Segment): boolean {
    return this.#o.bufferedS() === 0 && this.#waitedMs(segment) > DRY_WAIT_MS;
  }

  /** Request from the store what must not be waited for any longer. */
  consider(segment: Segment): void {
    const { store, stats, startup, fetcher, expected } = this.#o;
    const { pieces, descriptor } = segment;
    const { ranges, late } = schedule({
      durationS: descriptor.duration,
      neededInS: this.#o.bufferedS(),
      waitedS: this.#waitedMs(segment) / 1000,
      missing: pieces.missing(),
      inFlight: (piece) => segment.inFlight.has(piece),
      expected: (piece) => expected(segment, piece),
      linkFull: this.#o.linkFull() && !this.isDry(segment),
      storeTakesS: (count) => store.takesS(count * descriptor.pieceSize),
    });
    if (late && !segment.late && !startup.includes(descriptor.sequence)) {
      segment.late = true;
      this.lateAt = this.#o.now();
      stats.segments.deadline_fetches += 1;
    }
    for (const range of ranges) fetcher.fetch(segment, range, "player");
  }

  /** Request no further what the player has left for another rendition: its link is too slow for both. */
  #abandonOthers({ descriptor }: Segment): void {
    for (const other of this.#o.segments())
      if (other.descriptor.variant !== descriptor.variant && other.waiters.size === 0)
        this.#o.fetcher.abandon(other);
  }

  /** How long a segment has been waited for; negative when nobody waits. */
  #waitedMs({ waiters }: Segment): number {
    return this.#o.now() - Math.min(...Array.from(waiters, ({ since }) => since));
  }
}
