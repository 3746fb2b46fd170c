/** How fast this viewer's link carries what it sends, by its connections' own counters.
 *
 * A channel's `bufferedAmount` cannot tell: Chromium keeps it still until the last 100 KB are sent.
 */

/** A connection whose bytes on the wire can be read. */
export interface MeteredConnection {
  /** all that it has sent so far, headers and repetitions too; null where nobody counts */
  wireBytes: () => Promise<number | null>;
}

/** What goes first fills buffers on the way; then the link is what limits. */
const SETTLING_MS = 500;
const READ_EVERY_MS = 500;
/** A sample takes so long, of several stretches if need be; the first one is needed soon. */
const SAMPLE_MS = 4_000;
const FIRST_SAMPLE_MS = 1_000;
/** What is left of older samples when a new one is added. */
const OLDER_WEIGHT = 0.5;
const FORGET_AFTER_MS = 60_000;
/** The rest is headers, repetitions, and answers to what comes in: .84 to .88 seen at 1 Mbit/s. */
const PAYLOAD_FRACTION = 0.85;
/** Less is no link: a receiver has stopped (its laptop sleeps), and only repetitions go out. */
const MIN_BPS = 64_000;

interface Sample {
  bytes: number;
  ms: number;
}
interface Reading {
  at: number;
  bytes: ReadonlyMap<MeteredConnection, number>;
}
/** A time in which the link was busy throughout. */
interface BusyPeriod {
  startedAt: number;
  lastReading: Reading | null;
}

export class UplinkEstimator {
  #busyPeriod: BusyPeriod | null = null;
  #reading = false;
  #readAt = -Infinity;
  #sample: Sample = { bytes: 0, ms: 0 };
  /** the samples so far, older ones with less weight */
  #total: Sample = { bytes: 0, ms: 0 };
  #measuredAt = -Infinity;

  /** @param now ms, monotonic */
  constructor(private readonly now: () => number) {}

  /** What the link carried of pieces when it was the limit, bit/s; null if it has not been lately. */
  get bps(): number | null {
    if (this.ageMs > FORGET_AFTER_MS) return null;
    return Math.round(PAYLOAD_FRACTION * bpsOf(this.#total));
  }
  /** How long ago that was, ms. */
  get ageMs(): number {
    return this.now() - this.#measuredAt;
  }

  /** What was measured was not this link. */
  reset(): void {
    this.#busyPeriod = null;
    this.#sample = { bytes: 0, ms: 0 };
    this.#measuredAt = -Infinity;
  }

  /** @param busy whether it is the link that what lies in its channels waits for */
  update(busy: boolean, connections: Iterable<MeteredConnection>): void {
    const now = this.now();
    if (!busy) {
      this.#busyPeriod = null;
      return;
    }
    this.#busyPeriod ??= { startedAt: now, lastReading: null };
    const settled = now - this.#busyPeriod.startedAt >= SETTLING_MS;
    if (settled && !this.#reading && now - this.#readAt >= READ_EVERY_MS)
      void this.#read(this.#busyPeriod, [...connections]);
  }

  async #read(period: BusyPeriod, connections: readonly MeteredConnection[]): Promise<void> {
    this.#reading = true;
    this.#readAt = this.now();
    const counts = await Promise.all(connections.map((one) => one.wireBytes().catch(() => null)));
    this.#reading = false;
    if (period !== this.#busyPeriod) return;
    const bytes = new Map<MeteredConnection, number>();
    for (const [k, count] of counts.entries()) {
      const one = connections[k];
      if (one && count !== null) bytes.set(one, count);
    }
    const reading = { at: this.now(), bytes };
    if (period.lastReading) this.#add(period.lastReading, reading);
    period.lastReading = reading;
  }

  #add(before: Reading, after: Reading): void {
    const sample = this.#sample;
    let transmitted = 0;
    for (const [one, bytes] of after.bytes) transmitted += bytes - (before.bytes.get(one) ?? bytes);
    if (transmitted === 0) return;
    sample.bytes += transmitted;
    sample.ms += after.at - before.at;
    if (sample.ms < (this.bps === null ? FIRST_SAMPLE_MS : SAMPLE_MS)) return;
    this.#sample = { bytes: 0, ms: 0 };
    if (bpsOf(sample) < MIN_BPS) return;
    const earlier = this.bps === null ? { bytes: 0, ms: 0 } : this.#total;
    // bytes and times are added up, not rates: a time counts alike, whatever was carried in it
    this.#total = {
      bytes: OLDER_WEIGHT * earlier.bytes + sample.bytes,
      ms: OLDER_WEIGHT * earlier.ms + sample.ms,
    };
    this.#measuredAt = after.at;
  }
}

function bpsOf({ bytes, ms }: Sample): number {
  return (8_000 * bytes) / ms;
}
