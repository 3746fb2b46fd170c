/** A viewer's figures, counted as docs/protocol.md says. No I/O. */

import type { Sequence, SourceBytes, StatsMessage } from "../protocol/messages";

export type Source = keyof SourceBytes;

/** Completion times kept: how it went at first, before links were measured, must not keep a viewer
 * behind for long. */
const MAX_COMPLETIONS = 6;

interface Counters {
  bytes: SourceBytes;
  /** the part of `bytes` that belongs to segments announced before this viewer was ready */
  startup: SourceBytes;
  uploaded: number;
  stalls: number;
}

export class Stats {
  #total: Counters = zero();
  /** what was reported in the memberships before this one */
  #base: Counters = zero();
  /** what the last report that was sent said */
  #reported: Counters = zero();
  #completions: number[] = [];
  segments = {
    complete: 0,
    deadline_fetches: 0,
    duplicates: 0,
    bad_pieces: 0,
    /** pieces requested from members, because they were late */
    requested: 0,
    /** pieces fetched in their owner's place */
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
  /** A segment was whole, `ms` after its announcement. */
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
  /** How long the last segments took to be whole. */
  get completionMs(): { median: number | null; worst: number | null } {
    const sorted = [...this.#completions].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? null;
    return { median, worst: sorted.at(-1) ?? null };
  }

  /** What a viewer's console is told now and then. */
  get consoleLines(): string[] {
    const { p2p, store } = this.#total.bytes;
    return [
      `📥 P2P: ${megabytes(p2p)} | HTTP: ${megabytes(store)}`,
      `💰 CDN Offload: ${Math.round((this.share ?? 0) * 100)}%`,
    ];
  }

  /**
   * A new membership began: what was reported under the old id must not count twice, and what came
   * since then must not be lost.
   */
  rejoined(): void {
    this.#base = this.#reported;
  }
  /** The report of these figures was sent. */
  reported(): void {
    this.#reported = structuredClone(this.#total);
  }

  /** The `stats` message: figures since the join, and those not reported before it. */
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

/** What peers delivered ÷ everything, start-up left out; null while there is nothing. */
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

// Which segments belong to a viewer's start-up: its figures leave them out. No I/O.

/** Start-up is over after this time, ready or not: who never shares must not look idle. */
const MAX_STARTUP_MS = 15_000;

export class Startup {
  #now: () => number;
  #startedAt: number;
  /** the first segment that is not start-up: what is older counts to that */
  #firstShared: Sequence | null = null;

  /** @param now milliseconds, monotonic */
  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** A segment was announced, or asked for; `ready`: this viewer could own a slice of it. */
  observe(sequence: Sequence, ready = false): void {
    if (ready || this.#now() - this.#startedAt > MAX_STARTUP_MS) this.#firstShared ??= sequence;
  }

  /** Whether bytes of this segment belong to start-up; null: of no segment, but needed for all. */
  includes(sequence: Sequence | null): boolean {
    return this.#firstShared === null || sequence === null || sequence < this.#firstShared;
  }
}
