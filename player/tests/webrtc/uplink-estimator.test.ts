import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UplinkEstimator } from "../../src/webrtc/uplink-estimator";

/** The fraction of an uplink's bytes that are pieces. */
const PAYLOAD_FRACTION = 0.85;
let estimator: UplinkEstimator;
let carried: number;
const connection = { wireBytes: () => Promise.resolve(carried) };

beforeEach(() => {
  vi.useFakeTimers();
  carried = 0;
  estimator = new UplinkEstimator(() => performance.now());
});
afterEach(() => {
  vi.useRealTimers();
});

/** The uplink carries this much and is updated twenty times a second. */
async function pass(ms: number, mbit: number, busy = true): Promise<void> {
  for (let t = 0; t < ms; t += 50) {
    estimator.update(busy, [connection]);
    await vi.advanceTimersByTimeAsync(50);
    carried += (mbit * 1e6 * 50) / 8_000;
  }
}
const mbit = (): number => (estimator.bps ?? 0) / 1e6 / PAYLOAD_FRACTION;

describe("the uplink estimate", () => {
  it("is unknown while nothing waits for the uplink", async () => {
    await pass(20_000, 1, false);
    expect(estimator.bps).toBeNull();
  });

  it("is what the uplink carries while busy", async () => {
    await pass(5_000, 1);
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("leaves out what fills buffers along the way", async () => {
    carried += 500_000;
    await pass(400, 8);
    await pass(4_000, 1);
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("adds up busy periods without the time between them", async () => {
    for (let k = 0; k < 5; k += 1) {
      await pass(1_600, 1);
      await pass(2_400, 0, false);
    }
    expect(mbit()).toBeCloseTo(1, 1);
  });

  it("soon follows an uplink that has become slower", async () => {
    await pass(10_000, 8);
    await pass(12_000, 1);
    expect(mbit()).toBeLessThan(3);
  });

  it("is not lowered by a receiver that has stopped", async () => {
    await pass(8_000, 0.01);
    expect(estimator.bps).toBeNull();
    await pass(8_000, 4);
    const before = mbit();
    await pass(8_000, 0.01);
    expect(mbit()).toBeGreaterThan(0.9 * before);
  });

  it("expires", async () => {
    await pass(5_000, 1);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(estimator.bps).toBeNull();
  });

  it("is unknown without byte counters", async () => {
    for (let t = 0; t < 10_000; t += 50) {
      estimator.update(true, [
        { wireBytes: () => Promise.resolve(null) },
        { wireBytes: () => Promise.reject(new Error("no such report")) },
      ]);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(estimator.bps).toBeNull();
  });

  it("is not raised by a connection that was added meanwhile", async () => {
    await pass(3_000, 1);
    let all = 10_000_000;
    const newcomer = { wireBytes: () => Promise.resolve((all += 1)) };
    for (let t = 0; t < 8_000; t += 50) {
      estimator.update(true, [connection, newcomer]);
      await vi.advanceTimersByTimeAsync(50);
      carried += 6_250;
    }
    expect(mbit()).toBeCloseTo(1, 1);
  });
});
