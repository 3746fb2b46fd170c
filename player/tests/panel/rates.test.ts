import { expect, it } from "vitest";
import { Rates, WINDOW_S } from "../../src/panel/rates";

/** Rates after some seconds in which these numbers of bytes arrived, and were sent, each second. */
function watched(seconds: number, p2p: number, store: number, up: number): Rates {
  const rates = new Rates();
  for (let s = 0; s <= seconds; s += 1)
    rates.add({ bytes: { p2p: s * p2p, store: s * store, seed: 0 }, uploaded: s * up }, s * 1_000);
  return rates;
}

it("rates are bytes per second, as bits", () => {
  const { p2p, store, seed, up } = watched(20, 250_000, 125_000, 50_000).mean;
  expect([p2p, store, seed, up]).toEqual([2e6, 1e6, 0, 4e5]);
  expect(new Rates().mean.p2p).toBe(0);
});

it("counts the time that a tab slept", () => {
  const rates = new Rates();
  const none = { p2p: 0, store: 0, seed: 0 };
  rates.add({ bytes: none, uploaded: 0 }, 0);
  rates.add({ bytes: { ...none, p2p: 1_000_000 }, uploaded: 0 }, 8_000);
  rates.add({ bytes: { ...none, p2p: 9_000_000 }, uploaded: 0 }, 8_000);
  expect(rates.mean.p2p).toBe(1e6);
});

it("the chart has two minutes, stacked by source, with sent bytes below", () => {
  const [x, seed, store, all, sent] = watched(300, 250_000, 125_000, 50_000).columns(300_000);
  expect(x.length).toBe(WINDOW_S + 1);
  expect([x[0], x.at(-1)]).toEqual([-WINDOW_S, 0]);
  expect([seed, store, all, sent].map((column) => column.at(-1))).toEqual([0, 1, 3, -0.4]);
});
