/** The most that this viewer wants to send to others. No I/O. */

import { Credit } from "./credit";

/** What was not sent may be made up for this long. */
const BURST_MS = 1_000;

export class UploadLimit {
  #bps: () => number | null;
  #credit = new Credit();

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
    this.#credit.refill(now, (this.bps ?? Infinity) / 8_000, BURST_MS);
  }

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#credit.may;
  }

  sent(bytes: number): void {
    this.#credit.sent(bytes);
  }
}
