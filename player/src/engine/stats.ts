/** A viewer's stats, as defined in docs/protocol.md. No I/O. */

import type { Sequence, SourceBytes, StatsMessage } from "../protocol/messages";

export type Source = keyof SourceBytes;

/**
 * Completion times to keep. Slow ones from before links were measured must not keep a viewer behind
 * for long.
 */
const MAX_COMPLETIONS = 6;

interface Counters {
  bytes: SourceBytes;
  /** the part of `bytes` for segments announced before this viewer was ready */
  startup: SourceBytes;
  uploaded: number;
  stalls: number;
}

export class Stats {
  #total: Counters = zero();
  /** what was reported in earlier memberships */
  #base: Counters = zero();
  /** what the last sent report contained */
  #reported: Counters = zero();
  #completions: number[] = [];
  segments = {
    complete: 0,
    deadline_fetches: 0,
    duplicates: 0,
    bad_pieces: 0,
    /** late pieces requested from members */
    requested: 0,
    /** pieces fetched as a successor of a late owner */
    stepped_in: 0,
  };

  received(source: Source, bytes: number, startup: boolean): void {
    this.#total.bytes[source] += bytes;
    if (startup) this.#total.startup[source] += bytes;
  }
  uploaded(bytes: number): void {
    this.#total.uploaded += bytes;
  }
  stalled(): void {
    this.#total.stalls += 1;
  }
  /** A segment became complete, `ms` after its announcement. */
  completed(ms: number): void {
    this.#completions.push(ms);
    if (this.#completions.length > MAX_COMPLETIONS) this.#completions.shift();
  }

  get total(): Readonly<Counters> {
    return this.#total;
  }
  get share(): number | null {
    return share(this.#total);
  }
  /** Completion times of the last segments, ms. */
  get completionMs(): { median: number | null; worst: number | null } {
    const sorted = [...this.#completions].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? null;
    return { median, worst: sorted.at(-1) ?? null };
  }

  /** The lines written to the viewer's console from time to time. */
  get consoleLines(): string[] {
    const { p2p, store } = this.#total.bytes;
    return [
      `📥 P2P: ${megabytes(p2p)} | HTTP: ${megabytes(store)}`,
      `💰 CDN Offload: ${Math.round((this.share ?? 0) * 100)}%`,
    ];
  }

  /**
   * A new membership began. What was reported under the old id must not be counted twice, and what
   * came after that report must not be lost.
   */
  rejoined(): void {
    this.#base = this.#reported;
  }
  /** A report was sent. */
  reported(): void {
    this.#reported = structuredClone(this.#total);
  }

  /** The `stats` message: everything since the join, plus what was not reported before it. */
  report(peers: number, latency_s: number | null, uplink_bps: number | null): StatsMessage {
    return {
      type: "stats",
      bytes: subtract(this.#total.bytes, this.#base.bytes),
      startup: subtract(this.#total.startup, this.#base.startup),
      uploaded: this.#total.uploaded - this.#base.uploaded,
      peers,
      stalls: this.#total.stalls - this.#base.stalls,
      latency_s,
      uplink_bps,
    };
  }
}

/** Peer bytes ÷ all bytes, without start-up; null while there are none. */
export function share({ bytes, startup }: Pick<Counters, "bytes" | "startup">): number | null {
  const p2p = bytes.p2p - startup.p2p;
  const all = sum(bytes) - sum(startup);
  return all > 0 ? p2p / all : null;
}

function zero(): Counters {
  const none = { p2p: 0, store: 0, seed: 0 };
  return { bytes: { ...none }, startup: { ...none }, uploaded: 0, stalls: 0 };
}
function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)}MB`;
}
function sum({ p2p, store, seed }: SourceBytes): number {
  return p2p + store + seed;
}
function subtract(a: SourceBytes, b: SourceBytes): SourceBytes {
  return { p2p: a.p2p - b.p2p, store: a.store - b.store, seed: a.seed - b.seed };
}

/**
 * Start-up ends after this time even if the viewer is not ready. Otherwise one that never shares
 * would have no share at all.
 */
const MAX_STARTUP_MS = 15_000;

/** Decides which segments belong to start-up, which the share leaves out. */
export class Startup {
  #now: () => number;
  #startedAt: number;
  /** the first segment after start-up; older ones belong to start-up */
  #firstShared: Sequence | null = null;

  /** @param now milliseconds, monotonic */
  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** A segment was announced or requested. `ready`: this viewer could own a slice of it. */
  observe(sequence: Sequence, ready = false): void {
    if (ready || this.#now() - this.#startedAt > MAX_STARTUP_MS) this.#firstShared ??= sequence;
  }

  /**
   * Whether bytes of this segment belong to start-up. Null stands for bytes that belong to no
   * segment.
   */
  includes(sequence: Sequence | null): boolean {
    return this.#firstShared === null || sequence === null || sequence < this.#firstShared;
  }
}
