/**
 * Estimates the viewer's uplink from the byte counters of its connections.
 *
 * The channels' `bufferedAmount` is of no use: in Chromium it does not move until the last 100 KB
 * are being sent.
 */

/** A connection whose bytes on the wire can be read. */
export interface MeteredConnection {
  /**
   * all bytes sent so far, including headers and retransmissions; null if the browser does not
   * count them
   */
  wireBytes: () => Promise<number | null>;
}

/** The first bytes only fill buffers along the way; after this the uplink is the limit. */
const SETTLING_MS = 500;
const READ_EVERY_MS = 500;
/**
 * Duration of a sample, over several busy periods if necessary. The first sample is needed sooner.
 */
const SAMPLE_MS = 4_000;
const FIRST_SAMPLE_MS = 1_000;
/** Weight of the earlier samples when a new one is added. */
const OLDER_WEIGHT = 0.5;
const FORGET_AFTER_MS = 60_000;
/**
 * The remainder is headers, retransmissions, and acknowledgments of incoming data. Measured at 1
 * Mbit/s: .84 to .88.
 */
const PAYLOAD_FRACTION = 0.85;
/**
 * A lower rate is not an uplink: a receiver has stopped (its laptop sleeps), and only
 * retransmissions go out.
 */
const MIN_BPS = 64_000;

interface Sample {
  bytes: number;
  ms: number;
}
interface Reading {
  at: number;
  bytes: ReadonlyMap<MeteredConnection, number>;
}
/** A time during which the uplink was busy throughout. */
interface BusyPeriod {
  startedAt: number;
  lastReading: Reading | null;
}

export class UplinkEstimator {
  #busyPeriod: BusyPeriod | null = null;
  #reading = false;
  #readAt = -Infinity;
  #sample: Sample = { bytes: 0, ms: 0 };
  /** all samples so far, with decreasing weight */
  #total: Sample = { bytes: 0, ms: 0 };
  #measuredAt = -Infinity;

  /** @param now ms, monotonic */
  constructor(private readonly now: () => number) {}

  /**
   * Payload rate of the uplink when it was the bottleneck, bit/s; null if it has not been for a
   * minute.
   */
  get bps(): number | null {
    if (this.ageMs > FORGET_AFTER_MS) return null;
    return Math.round(PAYLOAD_FRACTION * bpsOf(this.#total));
  }
  /** Age of the last measurement, ms. */
  get ageMs(): number {
    return this.now() - this.#measuredAt;
  }

  /** Discard all measurements: something else was the bottleneck. */
  reset(): void {
    this.#busyPeriod = null;
    this.#sample = { bytes: 0, ms: 0 };
    this.#measuredAt = -Infinity;
  }

  /** @param busy whether queued data is waiting for this uplink rather than for a receiver */
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
    const counts = await Promise.all(
      connections.map((connection) => connection.wireBytes().catch(() => null)),
    );
    this.#reading = false;
    if (period !== this.#busyPeriod) return;
    const bytes = new Map<MeteredConnection, number>();
    for (const [k, count] of counts.entries()) {
      const connection = connections[k];
      if (connection && count !== null) bytes.set(connection, count);
    }
    const reading = { at: this.now(), bytes };
    if (period.lastReading) this.#add(period.lastReading, reading);
    period.lastReading = reading;
  }

  #add(before: Reading, after: Reading): void {
    const sample = this.#sample;
    let transmitted = 0;
    for (const [connection, bytes] of after.bytes)
      transmitted += bytes - (before.bytes.get(connection) ?? bytes);
    if (transmitted === 0) return;
    sample.bytes += transmitted;
    sample.ms += after.at - before.at;
    if (sample.ms < (this.bps === null ? FIRST_SAMPLE_MS : SAMPLE_MS)) return;
    this.#sample = { bytes: 0, ms: 0 };
    if (bpsOf(sample) < MIN_BPS) return;
    const earlier = this.bps === null ? { bytes: 0, ms: 0 } : this.#total;
    // add up bytes and times rather than averaging rates: each millisecond counts the same, however
    // much was sent in it
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
