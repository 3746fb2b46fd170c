/** Which segments belong to a viewer's start-up: its figures leave them out. No I/O. */

import type { Sequence } from "../protocol/messages";

/** Start-up is over after this time, ready or not: who never shares must not look idle. */
const MAX_STARTUP_MS = 15_000;

export class Startup {
  #now: () => number;
  #begunAt: number;
  /** the first segment that is not start-up: what is older counts to that */
  #firstShared: Sequence | null = null;

  /** @param now milliseconds, monotonic */
  constructor(now: () => number) {
    this.#now = now;
    this.#begunAt = now();
  }

  /** A segment was announced, or asked for; `ready`: this viewer could own a slice of it. */
  look(sequence: Sequence, ready = false): void {
    if (ready || this.#now() - this.#begunAt > MAX_STARTUP_MS) this.#firstShared ??= sequence;
  }

  /** Whether bytes of this segment belong to start-up; null: of no segment, but needed for all. */
  includes(sequence: Sequence | null): boolean {
    return this.#firstShared === null || sequence === null || sequence < this.#firstShared;
  }
}
