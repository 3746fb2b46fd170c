/** Current cost per hour: the slope of the cost so far. Pure. */

import type { RunningCost } from "./types";

const WINDOW_S = 300;
/** Cost rises in steps, one per segment: over less time the slope means nothing. */
const MIN_WINDOW_S = 30;

export interface Hourly {
  usd: number;
  ec2DirectUsd: number;
}

export class CostRate {
  #samples: { at: number; cost: RunningCost }[] = [];

  /** @param at seconds, monotonic */
  add(cost: RunningCost | null, at: number): void {
    const last = this.#samples.at(-1)?.cost;
    // a service was restarted, so its counters start from zero
    const restarted =
      cost && last && (cost.usd < last.usd || cost.ec2_direct_usd < last.ec2_direct_usd);
    if (!cost || restarted) this.#samples = [];
    if (cost) this.#samples.push({ at, cost });
    const second = (): number => this.#samples[1]?.at ?? Infinity;
    while (at - second() >= WINDOW_S) this.#samples.shift();
  }

  /** Cost per hour; null until it is known. */
  get hourly(): Hourly | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at - first.at < MIN_WINDOW_S) return null;
    const hours = (last.at - first.at) / 3600;
    return {
      usd: (last.cost.usd - first.cost.usd) / hours,
      ec2DirectUsd: (last.cost.ec2_direct_usd - first.cost.ec2_direct_usd) / hours,
    };
  }
}
