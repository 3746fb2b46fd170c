import { describe, expect, it } from "vitest";
import { Pacer } from "../../src/engine/pacer";

const POLL_MS = 50;

/** A link of so many bytes a millisecond, asked every 50 ms, that is given slices to send. */
class Simulated {
  pacer = new Pacer();
  now = 0;
  waiting = 0;
  buffered = 0;
  carried = 0;

  constructor(public bytesPerMs: number) {}

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += POLL_MS) {
      const gone = Math.min(this.buffered, this.bytesPerMs * POLL_MS);
      this.buffered -= gone;
      this.carried += gone;
      const { now, carried, waiting } = this;
      this.pacer.look({ now, carried, busy: this.buffered > 0, waiting });
      while (this.pacer.may && this.waiting > 0 && this.buffered < 400_000) {
        const piece = Math.min(32_768, this.waiting);
        this.waiting -= piece;
        this.buffered += piece;
        this.pacer.sent(piece);
      }
    }
  }
  slice(bytes: number): void {
    this.waiting += bytes;
  }
  /** How long a slice takes that is sent now. */
  takes(bytes: number): number {
    const begun = this.now;
    this.slice(bytes);
    while (this.waiting + this.buffered > 0) this.run(POLL_MS);
    return this.now - begun;
  }
}

describe("pacing", () => {
  it("holds nothing back while nobody knows the link", () => {
    const link = new Simulated(1_000);
    expect(link.takes(400_000)).toBeLessThanOrEqual(500);
    expect(link.pacer.bps(link.now)).toBeNull();
  });

  it("measures a link that is the limit", () => {
    const link = new Simulated(125);
    link.slice(900_000);
    link.run(6_000);
    expect((link.pacer.bps(link.now) ?? 0) / 1e6).toBeCloseTo(1, 1);
  });

  it("then takes seven tenths of it", () => {
    const link = new Simulated(250);
    link.slice(1_200_000);
    link.run(6_000);
    expect(link.takes(300_000) / (300_000 / 250)).toBeCloseTo(1 / 0.7, 0);
  });

  it("takes more rather than be late", () => {
    const link = new Simulated(125);
    link.slice(600_000);
    link.run(6_000);
    // at seven tenths it would be 6.9 s
    expect(link.takes(600_000)).toBeLessThanOrEqual(5_500);
  });

  it("finds out, now and then, that a link has become faster", () => {
    const link = new Simulated(125);
    link.slice(600_000);
    link.run(10_000);
    link.bytesPerMs = 500;
    for (let seconds = 0; seconds < 48; seconds += 4) {
      link.slice(300_000);
      link.run(4_000);
    }
    expect(link.takes(300_000)).toBeLessThanOrEqual(1_000);
  });

  it("notices that it has become slower", () => {
    const link = new Simulated(1_000);
    link.slice(3_000_000);
    link.run(4_000);
    link.bytesPerMs = 100;
    link.slice(1_200_000);
    link.run(12_000);
    expect((link.pacer.bps(link.now) ?? 0) / 1e6).toBeLessThan(1.1);
  });

  it("forgets what it saw long ago", () => {
    const link = new Simulated(125);
    link.slice(600_000);
    link.run(6_000);
    link.run(61_000);
    expect(link.pacer.bps(link.now)).toBeNull();
  });
});
