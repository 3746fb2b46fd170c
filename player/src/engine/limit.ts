/** The most that this viewer wants to send to others. No I/O. */

/** What was not sent may be made up for this long. */
const BURST_MS = 1_000;

export class UploadLimit {
  #bps: () => number | null;
  #credit = 0;
  #at: number | null = null;

  /** @param bps bit/s as they are wanted now; null: no limit */
  constructor(bps: () => number | null) {
    this.#bps = bps;
  }

  /** bit/s; null: no limit */
  get bps(): number | null {
    return this.#bps();
  }

  /** Time has passed; `now` in ms, monotonic. */
  look(now: number): void {
    const perMs = (this.bps ?? Infinity) / 8_000;
    const elapsed = now - (this.#at ?? now - BURST_MS);
    this.#at = now;
    const most = perMs * BURST_MS;
    this.#credit =
      most === Infinity ? Infinity : Math.min(Math.min(this.#credit, most) + perMs * elapsed, most);
  }

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#credit > 0;
  }

  sent(bytes: number): void {
    this.#credit -= bytes;
  }
}
