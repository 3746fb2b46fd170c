import { expect, it } from "vitest";
import { Stats, share } from "../../src/engine/stats";
import { sum, totalsOf } from "../../src/ui/totals";

function counted(p2p: number, store: number, startup: number): Stats {
  const stats = new Stats();
  stats.received("p2p", p2p, false);
  stats.received("store", store, false);
  stats.received("store", startup, true);
  stats.uploaded(p2p / 2);
  stats.stalled();
  stats.segments.complete += 3;
  return stats;
}

it("figures go on over a change of engines, and the share with them", () => {
  const all = sum(totalsOf(counted(600, 400, 50)), totalsOf(counted(300, 700, 0)));
  expect(all.bytes).toEqual({ p2p: 900, store: 1150, seed: 0 });
  expect(all.startup).toEqual({ p2p: 0, store: 50, seed: 0 });
  expect([all.uploaded, all.stalls, all.segments.complete]).toEqual([450, 2, 6]);
  expect(share(all)).toBe(0.45);
});

it("there is no share of nothing, and one engine's is its own", () => {
  expect(share(totalsOf(new Stats()))).toBeNull();
  const stats = counted(2, 1, 7);
  expect(share(totalsOf(stats))).toBe(stats.share);
});

it("what was taken does not change any more", () => {
  const stats = counted(1, 1, 1);
  const before = totalsOf(stats);
  stats.received("p2p", 10, false);
  stats.segments.complete += 1;
  expect([before.bytes.p2p, before.segments.complete]).toEqual([1, 3]);
});
