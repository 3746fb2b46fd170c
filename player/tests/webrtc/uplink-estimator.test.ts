import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UplinkEstimator } from "../../src/webrtc/uplink-estimator";

/** What of a link's bytes are pieces. */
const PAYLOAD_PART = 0.85;
let gauge: UplinkEstimator;
let carried: number;
const connection = { wireBytes: () => Promise.resolve(carried) };

beforeEach(() => {
  vi.useFakeTimers();
  carried = 0;
  gauge = new UplinkEstimator(() => performance.now());
});
afterEach(() => {
  vi.useRealTimers();
});

/** The link carries so much and is looked at twenty times a second. */
async function pass(ms: number, mbit: number, busy = true): Promise<void> {
  for (let t = 0; t < ms; t += 50) {
    gauge.update(busy, [connection]);
    await vi.advanceTimersByTimeAsync(50);
    carried += (mbit * 1e6 * 50) / 8_000;
  }
}
const mbit = (): number => (gauge.bps ?? 0) / 1e6 / PAYLOAD_PART;

describe("the gauge of a link", () => {
  it("knows nothing of a link that nobody waits for", async () => {
    await pass(20_000, 1, false);
    expect(gauge.bps).toBeNull();
  });

  it("reads what the link carries while it is busy", async () => {
    await pass(5_000, 1);
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("does not count what fills the buffers on the way", async () => {
    carried += 500_000;
    await pass(400, 8);
    await pass(4_000, 1);
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("adds up stretches, and leaves out the time between them", async () => {
    for (let k = 0; k < 5; k += 1) {
      await pass(1_600, 1);
      await pass(2_400, 0, false);
    }
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("soon believes that a link has become slower", async () => {
    await pass(10_000, 8);
    await pass(12_000, 1);
    expect(mbit()).toBeLessThan(3);
  });

  it("does not take a receiver that has stopped for a slow link", async () => {
    await pass(8_000, 0.01);
    expect(gauge.bps).toBeNull();
    await pass(8_000, 4);
    const before = mbit();
    await pass(8_000, 0.01);
    expect(mbit()).toBeGreaterThan(0.9 * before);
  });

  it("forgets what it saw long ago", async () => {
    await pass(5_000, 1);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(gauge.bps).toBeNull();
  });

  it("knows nothing where nobody counts", async () => {
    for (let t = 0; t < 10_000; t += 50) {
      gauge.update(true, [
        { wireBytes: () => Promise.resolve(null) },
        { wireBytes: () => Promise.reject(new Error("no such report")) },
      ]);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(gauge.bps).toBeNull();
  });

  it("does not take a connection that came meanwhile for a fast link", async () => {
    await pass(3_000, 1);
    let all = 10_000_000;
    const newcomer = { wireBytes: () => Promise.resolve((all += 1)) };
    for (let t = 0; t < 8_000; t += 50) {
      gauge.update(true, [connection, newcomer]);
      await vi.advanceTimersByTimeAsync(50);
      carried += 6_250;
    }
    expect(mbit()).toBeCloseTo(1, 1);
  });
});
