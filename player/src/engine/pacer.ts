/** How fast this viewer's link carries what it sends to others, and how fast it should. No I/O. */

/** The part of the link that sharing takes; the rest is for whatever else the viewer does. */
const PACE = 0.7;
/** What waits is sent faster rather than later than this: shortage is signaling's to plan for. */
const MAX_WAIT_MS = 2_000;
/** What goes first fills buffers on the way; then the link is what limits. */
const SETTLING_MS = 1_000;
/** Channels tell of whole messages only: a shorter sample would be chance. */
const MIN_SAMPLE_MS = 500;
const MAX_SAMPLE_MS = 3_000;
const NEWEST_WEIGHT = 0.5;
/** Now and then a slice is sent unpaced: nobody would see otherwise that the link became faster. */
const PROBE_AFTER_MS = 30_000;
const FORGET_AFTER_MS = 60_000;
/** Less is no link. */
const MIN_BPS = 1_000;
/** What may be sent at once after a pause. */
const BURST_MS = 100;
/** Browsers let the timers of hidden pages run once a second. */
const MAX_PAUSE_MS = 1_000;

/** What the links look like at a moment. */
export interface Look {
  /** ms, monotonic */
  now: number;
  /** bytes that have left for good since the beginning */
  carried: number;
  /** whether bytes are on their way out */
  busy: boolean;
  /** bytes that wait until they may be sent */
  waiting: number;
}

export class Pacer {
  #bytesPerMs = Infinity;
  #measuredAt = -Infinity;
  /** the link has been busy since; `carried`: at the beginning of the next sample */
  #run: { settled: boolean; since: number; carried: number } | null = null;
  #credit = 0;
  #at: number | null = null;
  #waitedBefore = false;

  /** What the link carried when it was the limit, bit/s; null if it has not been lately. */
  bps(now: number): number | null {
    const bps = Math.round(this.#bytesPerMs * 8_000);
    return now - this.#measuredAt > FORGET_AFTER_MS || bps < MIN_BPS ? null : bps;
  }

  look(seen: Look): void {
    this.#measure(seen);
    this.#refill(seen);
  }

  /** Whether something may be sent now. */
  get may(): boolean {
    return this.#credit > 0;
  }

  sent(bytes: number): void {
    this.#credit -= bytes;
  }

  #measure({ now, carried, busy }: Look): void {
    const run = this.#run;
    if (!run) {
      if (busy) this.#run = { settled: false, since: now, carried };
      return;
    }
    const lasted = now - run.since;
    const over = lasted >= (run.settled ? MAX_SAMPLE_MS : SETTLING_MS);
    if (run.settled && lasted >= MIN_SAMPLE_MS && (over || !busy))
      this.#sample((carried - run.carried) / lasted, now);
    if (!busy) this.#run = null;
    else if (over) this.#run = { settled: true, since: now, carried };
  }

  /** Averages times, not rates: a link that has become slow is believed at once. */
  #sample(bytesPerMs: number, now: number): void {
    const known = now - this.#measuredAt <= FORGET_AFTER_MS ? this.#bytesPerMs : bytesPerMs;
    this.#bytesPerMs = 1 / ((1 - NEWEST_WEIGHT) / known + NEWEST_WEIGHT / bytesPerMs);
    this.#measuredAt = now;
  }

  #refill({ now, waiting }: Look): void {
    const probing = now - this.#measuredAt > PROBE_AFTER_MS;
    const rate = probing ? Infinity : Math.max(PACE * this.#bytesPerMs, waiting / MAX_WAIT_MS);
    const elapsed = now - (this.#at ?? now - BURST_MS);
    this.#at = now;
    const most = rate * (this.#waitedBefore ? MAX_PAUSE_MS : BURST_MS);
    this.#credit =
      rate === Infinity ? Infinity : Math.min(Math.min(this.#credit, most) + rate * elapsed, most);
    this.#waitedBefore = waiting > 0;
  }
}
