/** Whether a source of pieces works, and when one that fails is tried again. No I/O. */

const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 5_000;

export class Health {
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
  try(): boolean {
    if (!this.failing) return true;
    if (this.#now() < this.#nextTryAt) return false;
    this.#nextTryAt = Infinity;
    return true;
  }

  worked(): void {
    this.#failures = 0;
  }

  /** A request failed; others that were under way with it lengthen no pause. */
  failed(): void {
    if (this.failing && this.#nextTryAt !== Infinity) return;
    this.#failures += 1;
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    this.#nextTryAt = this.#now() + pauseMs * (0.5 + this.#random() / 2);
  }
}
