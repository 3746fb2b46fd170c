import { describe, expect, it } from "vitest";
import { Startup, Stats } from "../../src/engine/stats";

describe("a viewer's stats", () => {
  it("count the share without start-up", () => {
    const stats = new Stats();
    expect(stats.share).toBeNull();
    stats.received("store", 5_000, true);
    expect(stats.share).toBeNull();
    stats.received("p2p", 600, false);
    stats.received("store", 300, false);
    stats.received("seed", 100, false);
    expect(stats.share).toBe(0.6);
    expect(stats.total.bytes).toEqual({ p2p: 600, store: 5_300, seed: 100 });
    expect(stats.total.startup).toEqual({ p2p: 0, store: 5_000, seed: 0 });
  });

  it("are reported since the join, without what an earlier id reported", () => {
    const stats = new Stats();
    stats.received("store", 100, true);
    stats.uploaded(70);
    stats.stalled();
    expect(stats.report(2, 8.5, 2_000_000)).toEqual({
      type: "stats",
      bytes: { p2p: 0, store: 100, seed: 0 },
      startup: { p2p: 0, store: 100, seed: 0 },
      uploaded: 70,
      peers: 2,
      stalls: 1,
      latency_s: 8.5,
      uplink_bps: 2_000_000,
    });
    stats.reported();
    stats.rejoined();
    stats.received("p2p", 5, false);
    expect(stats.report(0, null, null)).toMatchObject({
      bytes: { p2p: 5, store: 0 },
      uploaded: 0,
      stalls: 0,
    });
    expect(stats.total.bytes.store).toBe(100);
  });

  it("carry what came after the last sent report into the next membership", () => {
    const stats = new Stats();
    stats.received("store", 100, true);
    stats.reported();
    stats.received("store", 900, false);
    stats.report(0, null, null);
    stats.rejoined();
    stats.rejoined();
    stats.received("p2p", 50, false);
    expect(stats.report(1, null, null)).toMatchObject({
      bytes: { p2p: 50, store: 900, seed: 0 },
      startup: { store: 0 },
    });
  });

  it("keep a bounded number of completion times", () => {
    const stats = new Stats();
    expect(stats.completionMs).toEqual({ median: null, worst: null });
    stats.completed(99_999);
    for (let ms = 1; ms <= 20; ms += 1) stats.completed(ms);
    expect(stats.completionMs).toEqual({ median: 18, worst: 20 });
  });
});

let clock = 1_000;
const begin = () => {
  clock = 1_000;
  return new Startup(() => clock);
};

it("start-up ends with the first segment that the viewer could own a slice of", () => {
  const startup = begin();
  startup.observe(7);
  expect(startup.includes(7)).toBe(true);
  startup.observe(8, true);
  startup.observe(9, true);
  expect([7, 8, 9].map((sequence) => startup.includes(sequence))).toEqual([true, false, false]);
});

it("start-up lasts 15 seconds for a viewer that never becomes ready", () => {
  const startup = begin();
  clock += 15_000;
  startup.observe(7);
  expect(startup.includes(7)).toBe(true);
  clock += 1;
  startup.observe(8);
  expect([7, 8].map((sequence) => startup.includes(sequence))).toEqual([true, false]);
});

it("start-up includes bytes that belong to no segment", () => {
  const startup = begin();
  startup.observe(8, true);
  expect(startup.includes(null)).toBe(true);
});
