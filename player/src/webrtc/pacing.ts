/**
 * How fast pieces are sent: pacing below the measured uplink, and the viewer's upload cap. No I/O.
 */

/** Fraction of the uplink that sharing uses; the rest is left to the viewer's other traffic. */
const PACE = 0.7;
/**
 * Queued pieces wait no longer than this, even if that exceeds the pace. Planning for short uplinks
 * is up to signaling.
 */
const MAX_WAIT_MS = 3_000;
/**
 * If the last measurement is older than this, send unpaced: a faster uplink would go unnoticed
 * otherwise.
 */
const PROBE_AFTER_MS = 30_000;
/** After a pause, this much may be sent at once. */
const BURST_MS = 100;
/** Browsers throttle timers of hidden pages to one a second. */
const MAX_PAUSE_MS = 1_000;

/** The state of the uplink at one moment. */
export interface UplinkView {
  /** ms, monotonic */
  now: number;
  /** measured uplink, bit/s, or null if unknown; and the age of that measurement, ms */
  bps: number | null;
  ageMs: number;
  /** bytes of pieces waiting in send queues */
  queuedBytes: number;
}

/** Keeps sending below the measured uplink. */
export class Pacer {
  #bucket = new TokenBucket();
  /** the most bytes queued at any time since the queues were last empty */
  #maxWaiting = 0;

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

/** Unused allowance accumulates for this long. */
const CAP_BURST_MS = 1_000;

/** The viewer's own upload cap. */
export class UploadCap {
  #bps: () => number | null;
  #bucket = new TokenBucket();

  /** @param bps the current cap, bit/s; null: none */
  constructor(bps: () => number | null) {
    this.#bps = bps;
  }

  /** bit/s; null: none */
  get bps(): number | null {
    return this.#bps();
  }

  /** Update to the current time, ms, monotonic. */
  update(now: number): void {
    this.#bucket.refill(now, (this.bps ?? Infinity) / 8_000, CAP_BURST_MS);
  }

  get maySend(): boolean {
    return this.#bucket.hasTokens;
  }

  sent(bytes: number): void {
    this.#bucket.take(bytes);
  }
}

/** A token bucket: limits a rate, and how much may be sent at once. */
class TokenBucket {
  #bytes = 0;
  #at: number | null = null;

  /**
   * Update to the current time.
   *
   * @param now ms, monotonic
   * @param rate bytes per millisecond; Infinity: unlimited
   * @param burstMs unused tokens accumulate for this long; the bucket starts full
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

  get hasTokens(): boolean {
    return this.#bytes > 0;
  }

  take(bytes: number): void {
    this.#bytes -= bytes;
  }
}
