/** How fast pieces are let go, once it is known what this viewer's link carries. No I/O. */

/** The part of the link that sharing takes; the rest is for whatever else the viewer does. */
const PACE = 0.7;
/** What waits is sent faster rather than later than this: shortage is signaling's to plan for. */
const MAX_WAIT_MS = 3_000;
/** Now and then a slice is sent unpaced: nobody would see otherwise that the link became faster. */
const PROBE_AFTER_MS = 30_000;
/** What may be sent at once after a pause. */
const BURST_MS = 100;
/** Browsers let the timers of hidden pages run once a second. */
const MAX_PAUSE_MS = 1_000;

/** What the links look like at a moment. */
export interface Look {
  /** ms, monotonic */
  now: number;
  /** what the link carries, bit/s; null if that is unknown; and how old that measurement is, ms */
  bps: number | null;
  ageMs: number;
  /** bytes that wait until they may be sent */
  waiting: number;
}

export class Pacer {
  #credit = new Credit();
  /** the most bytes that have waited at a time since none did */
  #most = 0;

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#credit.may;
  }

  sent(bytes: number): void {
    this.#credit.sent(bytes);
  }

  look({ now, bps, ageMs, waiting }: Look): void {
    const free = bps === null || ageMs > PROBE_AFTER_MS;
    const waitedBefore = this.#most > 0;
    this.#most = waiting > 0 ? Math.max(this.#most, waiting) : 0;
    const rate = free ? Infinity : Math.max((PACE * bps) / 8_000, this.#most / MAX_WAIT_MS);
    this.#credit.refill(now, rate, waitedBefore ? MAX_PAUSE_MS : BURST_MS);
  }
}

// The most that this viewer wants to send to others. No I/O.

/** What was not sent may be made up for this long. */
const CAP_BURST_MS = 1_000;

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
    this.#credit.refill(now, (this.bps ?? Infinity) / 8_000, CAP_BURST_MS);
  }

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#credit.may;
  }

  sent(bytes: number): void {
    this.#credit.sent(bytes);
  }
}

// What may be sent at a rate, and how much of it at once: a token bucket. No I/O.

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
