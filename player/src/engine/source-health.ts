/**
 * Whether a source of pieces works, when to retry a failing one, and how long pieces usually take.
 * No I/O.
 */

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5_000;

export class SourceHealth {
  #now: () => number;
  #random: () => number;
  #failures = 0;
  /** Infinity while a retry is under way */
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
   * Whether the source may be asked now. If it is failing, only one request at a time is allowed,
   * after a backoff, and its outcome must be reported.
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

  /** A request failed. Further failures of requests started before the backoff do not extend it. */
  failed(): void {
    if (this.failing && this.#nextTryAt !== Infinity) return;
    this.#failures += 1;
    const pauseMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
    this.#nextTryAt = this.#now() + pauseMs * (0.5 + this.#random() / 2);
  }
}

/** Assumed until the first sample. */
const INITIAL_EXPECTED_MS = 1_000;
const MIN_EXPECTED_MS = 400;
const MAX_EXPECTED_MS = 4_000;
/** Weights of the newest sample in mean and deviation, as in TCP (RFC 6298). */
const MEAN_WEIGHT = 1 / 8;
const DEVIATION_WEIGHT = 1 / 4;

/**
 * How long after their announcement pieces arrive, in this room: mean plus four mean deviations.
 */
export class ExpectedTime {
  #meanMs: number | null = null;
  #deviationMs = 0;

  /** Add a sample, ms. */
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
    const expected = this.#meanMs + 4 * this.#deviationMs;
    return Math.min(MAX_EXPECTED_MS, Math.max(MIN_EXPECTED_MS, expected));
  }
}
