/** How long the network was busy with a segment, as input for a bandwidth estimate. No I/O. */

/** Longer gaps are waiting, not transfer. */
const MAX_GAP_MS = 200;

export class TransferTime {
  #sum = 0;
  #arrivedAt = -Infinity;

  /** A piece arrived at `now`, ms. */
  arrived(now: number): void {
    this.#sum += Math.min(now - this.#arrivedAt, MAX_GAP_MS);
    this.#arrivedAt = now;
  }

  get ms(): number {
    return Math.max(1, this.#sum);
  }
}
