/** What may be sent at a rate, and how much of it at once: a token bucket. No I/O. */

export class Credit {
  #bytes = 0;
  #at: number | null = null;

  /**
   * Time has passed.
   *
   * @param now ms, monotonic
   * @param rate bytes a millisecond; Infinity: no limit
   * @param burstMs what was not sent may be made up for this long; so much there is at first
   */
  refill(now: number, rate: number, burstMs: number): void {
    const elapsed = now - (this.#at ?? now - burstMs);
    this.#at = now;
    const most = rate * burstMs;
    this.#bytes =
      rate === Infinity ? Infinity : Math.min(Math.min(this.#bytes, most) + rate * elapsed, most);
  }

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#bytes > 0;
  }

  sent(bytes: number): void {
    this.#bytes -= bytes;
  }
}
