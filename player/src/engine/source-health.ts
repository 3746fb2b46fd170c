/** Whether a source of pieces works, and when one that fails is tried again. No I/O. */

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5_000;

export class SourceHealth {
  #now: () => number;
  #random: () => number;
  #failures = 0;
  /** Infinity: a try is under way */
  #nextTryAt = -Infinity;

  /**
   * @param now milliseconds, monotonic
   * @param random 0 ≤ x < 1
   */
  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  get failing(): boolean {
    return this.#failures > 0;
  }

  /**
   * Whether to ask the source now: it works, or it has failed and had its pause. Of a source that
   * fails there is one try at a time, whose outcome must be told.
   */
  mayTry(): boolean {
    if (!this.failing) return true;
    if (this.#now() < this.#nextTryAt) return false;
    this.#nextTryAt = Infinity;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** A request failed; others that were under way with it lengthen no pause. */
  failed(): void {
    if (this.failing && this.#nextTryAt !== Infinity) return;
    this.#failures += 1;
    const pauseMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
    this.#nextTryAt = this.#now() + pauseMs * (0.5 + this.#random() / 2);
  }
}

/** Until pieces have been seen to come. */
const INITIAL_EXPECTED_MS = 1_000;
const MIN_EXPECTED_MS = 400;
const MAX_EXPECTED_MS = 4_000;
/** Weights of the newest sample in mean and deviation, as TCP takes them. */
const MEAN_WEIGHT = 1 / 8;
const DEVIATION_WEIGHT = 1 / 4;

/** When pieces come after their announcement, in this room: mean and four mean deviations. */
export class ExpectedTime {
  #meanMs: number | null = null;
  #deviationMs = 0;

  /** A piece came from its owner so long after its announcement. */
  add(ms: number): void {
    if (this.#meanMs === null) {
      this.#meanMs = ms;
      this.#deviationMs = ms / 2;
      return;
    }
    const off = Math.abs(ms - this.#meanMs);
    this.#deviationMs += DEVIATION_WEIGHT * (off - this.#deviationMs);
    this.#meanMs += MEAN_WEIGHT * (ms - this.#meanMs);
  }

  get ms(): number {
    if (this.#meanMs === null) return INITIAL_EXPECTED_MS;
    const late = this.#meanMs + 4 * this.#deviationMs;
    return Math.min(MAX_EXPECTED_MS, Math.max(MIN_EXPECTED_MS, late));
  }
}
