import { describe, expect, it } from "vitest";
import { Pacer, UploadCap } from "../../src/webrtc/pacing";

const POLL_MS = 50;

/** An uplink of this many bytes per millisecond, updated every 50 ms, with slices to send. */
class SimulatedUplink {
  pacer = new Pacer();
  now = 0;
  waiting = 0;
  buffered = 0;
  measuredAt = -Infinity;

  constructor(readonly bytesPerMs: number) {}

  measured(): this {
    this.measuredAt = this.now;
    return this;
  }
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += POLL_MS) {
      this.buffered -= Math.min(this.buffered, this.bytesPerMs * POLL_MS);
      const { now, waiting: queuedBytes } = this;
      const ageMs = now - this.measuredAt;
      this.pacer.update({
        now,
        bps: ageMs === Infinity ? null : this.bytesPerMs * 8_000,
        ageMs,
        queuedBytes,
      });
      while (this.pacer.maySend && this.waiting > 0) {
        const piece = Math.min(32_768, this.waiting);
        this.waiting -= piece;
        this.buffered += piece;
        this.pacer.sent(piece);
      }
    }
  }
  /** How long it takes to send a slice, ms. */
  timeFor(bytes: number): number {
    const startedAt = this.now;
    this.waiting += bytes;
    while (this.waiting + this.buffered > 0) this.run(POLL_MS);
    return this.now - startedAt;
  }
}

describe("pacing", () => {
  it("does not limit an unmeasured uplink", () => {
    expect(new SimulatedUplink(1_000).timeFor(400_000)).toBeLessThanOrEqual(500);
  });

  it("uses seven tenths of a measured uplink", () => {
    const link = new SimulatedUplink(250).measured();
    expect(link.timeFor(300_000) / (300_000 / 250)).toBeCloseTo(1 / 0.7, 0);
  });

  it("uses more rather than be late", () => {
    // at seven tenths it would be 6.9 s
    expect(new SimulatedUplink(125).measured().timeFor(600_000)).toBeLessThanOrEqual(5_500);
  });

  it("probes from time to time whether the uplink has become faster", () => {
    const link = new SimulatedUplink(1_000).measured();
    expect(link.timeFor(700_000)).toBeGreaterThan(800);
    link.run(31_000);
    expect(link.timeFor(700_000)).toBeLessThan(800);
  });

  it("saves up nothing during a pause", () => {
    const link = new SimulatedUplink(250).measured();
    link.run(20_000);
    expect(link.timeFor(300_000)).toBeGreaterThan(1_400);
  });
});

const PIECE = 10_000;

/** Send pieces for this many seconds as fast as the cap allows; returns bytes. */
function sendFor(cap: UploadCap, fromMs: number, seconds: number): number {
  let sent = 0;
  for (let now = fromMs; now < fromMs + seconds * 1000; now += 50) {
    cap.update(now);
    while (cap.maySend && sent < 1e8) {
      cap.sent(PIECE);
      sent += PIECE;
    }
  }
  return sent;
}

it("a cap lets through what it allows, however much is queued", () => {
  const limit = new UploadCap(() => 800_000);
  const sent = sendFor(limit, 0, 20);
  // 100 kB/s, and at the start one second's worth at once
  expect(sent).toBeGreaterThanOrEqual(2_000_000);
  expect(sent).toBeLessThanOrEqual(2_100_000 + PIECE);
});

it("a cap saves up no more than one second", () => {
  const limit = new UploadCap(() => 800_000);
  sendFor(limit, 0, 1);
  expect(sendFor(limit, 60_000, 1)).toBeLessThanOrEqual(200_000 + PIECE);
});

it("a cap can change and be removed", () => {
  let bps: number | null = 800_000;
  const limit = new UploadCap(() => bps);
  sendFor(limit, 0, 5);
  bps = null;
  expect(sendFor(limit, 5_000, 1)).toBe(1e8);
  bps = 80_000;
  expect(sendFor(limit, 6_000, 10)).toBeLessThanOrEqual(110_000 + PIECE);
});
