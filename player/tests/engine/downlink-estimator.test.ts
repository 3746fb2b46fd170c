import { describe, expect, it } from "vitest";
import { DownlinkEstimator } from "../../src/engine/downlink-estimator";

/**
 * The store sends this many bytes per millisecond, in chunks of 16 KiB; peers send a multiple of
 * that.
 */
function transfer(
  link: DownlinkEstimator,
  startedAt: number,
  bytes: number,
  perMs: number,
  peers = 0,
): number {
  let now = startedAt;
  link.responseStarted(now);
  for (let sent = 0; sent < bytes; sent += 16_384) {
    now += 16_384 / perMs;
    link.addPeerBytes(peers * 16_384, now);
    link.addStoreBytes(16_384, now);
  }
  link.responseEnded();
  return now;
}
const mbit = (link: DownlinkEstimator) => (link.bps(0) ?? 0) / 1e6;

describe("the downlink estimate", () => {
  it("is unknown at first, and while only peers send", () => {
    const link = new DownlinkEstimator();
    for (let i = 0; i < 1_000; i += 1) link.addPeerBytes(32_768, i);
    link.addStoreBytes(16_384, 5);
    expect(link.bps(6)).toBeNull();
  });

  it("is what arrives while the store sends", () => {
    const link = new DownlinkEstimator();
    transfer(link, 0, 600_000, 500);
    expect(mbit(link)).toBeCloseTo(4, 1);
  });

  it("includes what peers send meanwhile", () => {
    const link = new DownlinkEstimator();
    transfer(link, 0, 600_000, 100, 3);
    expect(mbit(link)).toBeCloseTo(3.2, 0);
  });

  it("leaves out pauses between slices, and what peers send in them", () => {
    const link = new DownlinkEstimator();
    for (let segment = 0; segment < 20; segment += 1) {
      transfer(link, segment * 4_000, 70_000, 500);
      link.addPeerBytes(480_000, segment * 4_000 + 500);
    }
    expect(mbit(link)).toBeCloseTo(4, 1);
  });

  it("follows at once when the downlink becomes slower, and gradually when it becomes faster", () => {
    const link = new DownlinkEstimator();
    let now = transfer(link, 0, 5_000_000, 5_000);
    now = transfer(link, now + 1_000, 150_000, 112);
    expect(mbit(link)).toBeLessThan(1.3);
    transfer(link, now + 1_000, 300_000, 5_000);
    expect(mbit(link)).toBeLessThan(4);
  });

  it("notices within a second that peers fill a downlink that has become slow", () => {
    const link = new DownlinkEstimator();
    let now = transfer(link, 0, 5_000_000, 5_000);
    link.responseStarted((now += 1_000));
    for (let ms = 0; ms < 1_000; ms += 250) {
      link.addPeerBytes(28_000, now);
      link.bps((now += 250));
    }
    expect((link.bps(now) ?? 0) / 1e6).toBeLessThan(3);
  });

  it("is not lowered by a store that has stalled", () => {
    const link = new DownlinkEstimator();
    let now = transfer(link, 0, 5_000_000, 5_000);
    link.responseStarted((now += 1_000));
    for (let ms = 0; ms < 10_000; ms += 500) {
      if (ms >= 1_500) link.addPeerBytes(10_000, now);
      link.bps((now += 500));
    }
    expect((link.bps(now) ?? 0) / 1e6).toBeGreaterThan(30);
  });

  it("is finite when all chunks are read together", () => {
    const link = new DownlinkEstimator();
    link.responseStarted(7);
    for (let i = 0; i < 40; i += 1) link.addStoreBytes(16_384, 7);
    expect(Number.isFinite(link.bps(7))).toBe(true);
  });

  it("tells a full downlink from one that peers no longer fill", () => {
    const link = new DownlinkEstimator();
    for (let ms = 0; ms < 1_000; ms += 100) link.addPeerBytes(10_000, ms);
    expect(link.isFull(1_000)).toBe(false); // the link's real rate is unknown
    let now = transfer(link, 1_000, 300_000, 112);
    expect(link.isFull(now)).toBe(false);
    for (let ms = 0; ms < 1_000; ms += 100) link.addPeerBytes(10_000, (now += 100));
    expect(link.isFull(now)).toBe(true);
    expect(link.isFull(now + 1_500)).toBe(false);
    const fast = new DownlinkEstimator();
    now = transfer(fast, 0, 5_000_000, 5_000);
    for (let ms = 0; ms < 1_000; ms += 100) fast.addPeerBytes(100_000, (now += 100));
    expect(fast.isFull(now)).toBe(false);
  });
});
