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
export interface UplinkView {
  /** ms, monotonic */
  now: number;
  /** what the link carries, bit/s; null if that is unknown; and how old that measurement is, ms */
  bps: number | null;
  ageMs: number;
  /** bytes that wait until they may be sent */
  queuedBytes: number;
}

export class Pacer {
  #bucket = new TokenBucket();
  /** the most bytes that have waited at a time since none did */
  #maxWaiting = 0;

  /** Whether something may be sent now. */
  get maySend(): boolean {
    return this.#bucket.hasTokens;
  }

  sent(bytes: number): void {
    this.#bucket.take(bytes);
  }

  update({ now, bps, ageMs, queuedBytes }: UplinkView): void {
    const free = bps === null || ageMs > PROBE_AFTER_MS;
    const waitedBefore = this.#maxWaiting > 0;
    this.#maxWaiting = queuedBytes > 0 ? Math.max(this.#maxWaiting, queuedBytes) : 0;
    const rate = free ? Infinity : Math.max((PACE * bps) / 8_000, this.#maxWaiting / MAX_WAIT_MS);
    this.#bucket.refill(now, rate, waitedBefore ? MAX_PAUSE_MS : BURST_MS);
  }
}

// The most that this viewer wants to send to others. No I/O.

/** What was not sent may be made up for this long. */
const CAP_BURST_MS = 1_000;

export class UploadCap {
  #bps: () => number | null;
  #bucket = new TokenBucket();

  /** @param bps bit/s as they are wanted now; null: no limit */
  constructor(bps: () => number | null) {
    this.#bps = bps;
  }

  /** bit/s; null: no limit */
  get bps(): number | null {
    return this.#bps();
  }

  /** Time has passed; `now` in ms, monotonic. */
  update(now: number): void {
    this.#bucket.refill(now, (this.bps ?? Infinity) / 8_000, CAP_BURST_MS);
  }

  /** Whether something may be sent now. */
  get maySend(): boolean {
    return this.#bucket.hasTokens;
  }

  sent(bytes: number): void {
    this.#bucket.take(bytes);
  }
}

// What may be sent at a rate, and how much of it at once: a token bucket. No I/O.

export class TokenBucket {
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
    const capacity = rate * burstMs;
    this.#bytes =
      rate === Infinity
        ? Infinity
        : Math.min(Math.min(this.#bytes, capacity) + rate * elapsed, capacity);
  }

  /** Whether something may be sent now. */
  get hasTokens(): boolean {
    return this.#bytes > 0;
  }

  take(bytes: number): void {
    this.#bytes -= bytes;
  }
}
