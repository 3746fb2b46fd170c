import { describe, expect, it } from "vitest";
import { Pacer } from "../../src/webrtc/pacing";

const POLL_MS = 50;

/** A link of so many bytes a millisecond, looked at every 50 ms, that is given slices to send. */
class Simulated {
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
      const { now, waiting } = this;
      const ageMs = now - this.measuredAt;
      this.pacer.look({
        now,
        bps: ageMs === Infinity ? null : this.bytesPerMs * 8_000,
        ageMs,
        waiting,
      });
      while (this.pacer.may && this.waiting > 0) {
        const piece = Math.min(32_768, this.waiting);
        this.waiting -= piece;
        this.buffered += piece;
        this.pacer.sent(piece);
      }
    }
  }
  /** How long a slice takes that is sent now, ms. */
  takes(bytes: number): number {
    const begun = this.now;
    this.waiting += bytes;
    while (this.waiting + this.buffered > 0) this.run(POLL_MS);
    return this.now - begun;
  }
}

describe("pacing", () => {
  it("holds nothing back while nobody knows the link", () => {
    expect(new Simulated(1_000).takes(400_000)).toBeLessThanOrEqual(500);
  });

  it("takes seven tenths of a link that was measured", () => {
    const link = new Simulated(250).measured();
    expect(link.takes(300_000) / (300_000 / 250)).toBeCloseTo(1 / 0.7, 0);
  });

  it("takes more rather than be late", () => {
    // at seven tenths it would be 6.9 s
    expect(new Simulated(125).measured().takes(600_000)).toBeLessThanOrEqual(5_500);
  });

  it("tries, now and then, whether a link has become faster", () => {
    const link = new Simulated(1_000).measured();
    expect(link.takes(700_000)).toBeGreaterThan(800);
    link.run(31_000);
    expect(link.takes(700_000)).toBeLessThan(800);
  });

  it("saves nothing up in a pause", () => {
    const link = new Simulated(250).measured();
    link.run(20_000);
    expect(link.takes(300_000)).toBeGreaterThan(1_400);
  });
});
