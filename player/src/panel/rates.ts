/** Transfer rates of the last two minutes, second by second, from rising counters. Pure. */

import type { SourceBytes } from "../protocol/messages";

/** How much history is kept. */
export const WINDOW_S = 120;
/** The panel shows means over this many seconds, because segments arrive in bursts. */
const MEAN_S = 10;

/** bit/s received by source, and sent. */
export interface Rate extends SourceBytes {
  up: number;
}

interface Sample {
  atMs: number;
  rate: Rate;
}

interface Counters {
  bytes: SourceBytes;
  uploaded: number;
}

export class Rates {
  #previous: (Counters & { atMs: number }) | null = null;
  #samples: Sample[] = [];

  /** Adds the counters' current values; to be called about once a second, with rising `nowMs`. */
  add({ bytes, uploaded }: Counters, nowMs: number): void {
    const previous = this.#previous;
    this.#previous = { bytes: { ...bytes }, uploaded, atMs: nowMs };
    if (!previous || nowMs <= previous.atMs) return;
    const perS = 8_000 / (nowMs - previous.atMs);
    const rate = {
      p2p: (bytes.p2p - previous.bytes.p2p) * perS,
      store: (bytes.store - previous.bytes.store) * perS,
      seed: (bytes.seed - previous.bytes.seed) * perS,
      up: (uploaded - previous.uploaded) * perS,
    };
    this.#samples.push({ atMs: nowMs, rate });
    const oldest = nowMs - WINDOW_S * 1000;
    while (this.#samples[0] && this.#samples[0].atMs < oldest) this.#samples.shift();
  }

  /** The current rate, averaged. */
  get mean(): Rate {
    const mean = { p2p: 0, store: 0, seed: 0, up: 0 };
    const last = this.#samples.slice(-MEAN_S);
    for (const { rate } of last)
      for (const key of ["p2p", "store", "seed", "up"] as const)
        mean[key] += rate[key] / last.length;
    return mean;
  }

  /**
   * Returns the chart's columns: seconds before now (≤ 0), then in Mbit/s what came from the seed,
   * from seed and store, from all three, and what was sent, negated so that it is drawn downwards.
   */
  columns(nowMs: number): [number[], number[], number[], number[], number[]] {
    const columns: [number[], number[], number[], number[], number[]] = [[], [], [], [], []];
    const shown = smoothed(this.#samples);
    for (const { atMs, rate } of shown) {
      columns[0].push((atMs - nowMs) / 1000);
      columns[1].push(rate.seed / 1e6);
      columns[2].push((rate.seed + rate.store) / 1e6);
      columns[3].push((rate.seed + rate.store + rate.p2p) / 1e6);
      columns[4].push(-rate.up / 1e6);
    }
    return columns;
  }
}

/** The chart shows means over this many seconds, to smooth out spikes. */
const SMOOTH_S = 5;

function smoothed(samples: readonly Sample[]): Sample[] {
  return samples.map(({ atMs }, index) => {
    const part = samples.slice(Math.max(0, index + 1 - SMOOTH_S), index + 1);
    const rate = { p2p: 0, store: 0, seed: 0, up: 0 };
    for (const sample of part)
      for (const key of ["p2p", "store", "seed", "up"] as const)
        rate[key] += sample.rate[key] / part.length;
    return { atMs, rate };
  });
}
