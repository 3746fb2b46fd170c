/** The last two minutes, second by second, out of counters that only rise. Pure. */

import type { SourceBytes } from "../protocol/messages";

/** Seconds that are kept. */
export const WINDOW_S = 120;
/** What a line of the panel says is the mean of so many seconds: segments come in bursts. */
const MEAN_S = 10;

/** bit/s by source, and sent to others. */
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

  /** To be called about once a second; `nowMs` rises. */
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

  /** Now, averaged. */
  get mean(): Rate {
    const mean = { p2p: 0, store: 0, seed: 0, up: 0 };
    const last = this.#samples.slice(-MEAN_S);
    for (const { rate } of last)
      for (const key of ["p2p", "store", "seed", "up"] as const)
        mean[key] += rate[key] / last.length;
    return mean;
  }

  /**
   * The chart's columns: seconds before now (≤ 0), then in Mbit/s what came from the seed, from seed
   * and store, from all three, and what was sent, which is drawn downwards.
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

/** The chart shows means of so many seconds, or it would be all spikes. */
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
