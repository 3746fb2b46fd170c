/** The rows of the chosen time range, and the series that the charts draw from them. Pure. */

import type { HistoryColumns } from "./types";

/** More points than these would not be visible. */
const MAX_POINTS = 240;
/** Segments come every 5 s and reports every 10: shorter steps would show the beat of the two. */
const MIN_STEP_S = 30;

const NAMES = [
  "viewers",
  "linked",
  "rooms",
  "p2p",
  "store",
  "seed",
  "startup",
  "startup_p2p",
  "wanted",
  "stalls",
  "latency_s",
] as const;

type Row = Record<(typeof NAMES)[number], number | null> & { at: number };

/** What the charts draw: one value per step, null where unknown. */
export interface Series {
  /** Unix time of each step's end */
  at: number[];
  viewers: (number | null)[];
  linked: (number | null)[];
  rooms: (number | null)[];
  /** fractions of the received bytes, 0 to 1 */
  p2p: (number | null)[];
  store: (number | null)[];
  seed: (number | null)[];
  /** how often each segment was fetched from store or seed, without viewers' start-up */
  copies: (number | null)[];
  stalls: (number | null)[];
  latencyS: (number | null)[];
}

export class HistoryWindow {
  #rows: Row[] = [];

  /** @param spanS seconds of history to keep */
  constructor(readonly spanS: number) {}

  get size(): number {
    return this.#rows.length;
  }
  /** Unix time of the newest row; null without one. */
  get newest(): number | null {
    return this.#rows.at(-1)?.at ?? null;
  }
  /** Stalls in the whole time range. */
  get stalls(): number {
    return sum(this.#rows, "stalls");
  }
  /** Copies per segment in the last minute; null while unknown. */
  get copiesNow(): number | null {
    const { newest } = this;
    return newest === null ? null : copiesOf(this.#rows.filter(({ at }) => at > newest - 60));
  }

  add(columns: HistoryColumns): void {
    const newest = this.newest ?? -Infinity;
    for (const [i, at] of columns.at.entries()) {
      if (at <= newest) continue;
      const row = { at } as Row;
      for (const name of NAMES) row[name] = columns[name][i] ?? null;
      this.#rows.push(row);
    }
    const begin = (this.newest ?? 0) - this.spanS;
    const first = this.#rows.findIndex(({ at }) => at > begin);
    if (first > 0) this.#rows.splice(0, first);
  }

  series(): Series {
    const stepS = Math.max(MIN_STEP_S, this.spanS / MAX_POINTS);
    const steps = new Map<number, Row[]>();
    for (const row of this.#rows) {
      const end = Math.ceil(row.at / stepS) * stepS;
      const step = steps.get(end);
      if (step) step.push(row);
      else steps.set(end, [row]);
    }
    const entries = [...steps];
    const each = (value: (rows: Row[]) => number | null) => entries.map(([, rows]) => value(rows));
    const part = (name: "p2p" | "store" | "seed") =>
      each((rows) => {
        const all = sum(rows, "p2p") + sum(rows, "store") + sum(rows, "seed");
        return all > 0 ? sum(rows, name) / all : null;
      });
    return {
      at: entries.map(([end]) => end),
      viewers: each((rows) => highest(rows, "viewers")),
      linked: each((rows) => highest(rows, "linked")),
      rooms: each((rows) => highest(rows, "rooms")),
      p2p: part("p2p"),
      store: part("store"),
      seed: part("seed"),
      copies: each(copiesOf),
      stalls: each((rows) => (knownValues(rows, "stalls").length > 0 ? sum(rows, "stalls") : null)),
      latencyS: each((rows) => mean(rows, "latency_s")),
    };
  }
}

/**
 * Returns how often each segment was fetched from store or seed; null if there was nothing to
 * fetch.
 */
function copiesOf(rows: readonly Row[]): number | null {
  const wanted = sum(rows, "wanted");
  const viewers = mean(rows, "viewers");
  if (wanted === 0 || viewers === null) return null;
  const startup = sum(rows, "startup") - sum(rows, "startup_p2p");
  const fetched = sum(rows, "store") + sum(rows, "seed") - startup;
  return (Math.max(0, fetched) * viewers) / wanted;
}

function knownValues(rows: readonly Row[], name: keyof Row): number[] {
  return rows.map((row) => row[name]).filter((value) => value !== null);
}
function sum(rows: readonly Row[], name: keyof Row): number {
  return knownValues(rows, name).reduce((a, b) => a + b, 0);
}
function mean(rows: readonly Row[], name: keyof Row): number | null {
  const values = knownValues(rows, name);
  return values.length > 0 ? sum(rows, name) / values.length : null;
}
function highest(rows: readonly Row[], name: keyof Row): number | null {
  const values = knownValues(rows, name);
  return values.length > 0 ? Math.max(...values) : null;
}
