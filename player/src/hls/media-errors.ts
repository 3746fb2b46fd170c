/** What to do about a media error: segments may load well while none can be decoded. Pure. */

/** Two within this time: the decoder will not recover by itself. */
const RECOVERY_MS = 5_000;
/** So many are recovered from in place; then all begins anew, at growing intervals. */
const MAX_RECOVERIES = 3;
/** After so long without one they are counted anew. */
const CALM_MS = 60_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;

export class MediaErrors {
  #at = -Infinity;
  #count = 0;

  /** Returns after how long to begin anew, ms; null: recover in place. */
  add(now: number): number | null {
    const sinceMs = now - this.#at;
    this.#at = now;
    this.#count = sinceMs > CALM_MS ? 1 : this.#count + 1;
    if (sinceMs > RECOVERY_MS && this.#count <= MAX_RECOVERIES) return null;
    return Math.min(MAX_RELOAD_MS, FIRST_RELOAD_MS * 2 ** (this.#count - 2));
  }
}
