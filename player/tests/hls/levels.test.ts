import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LevelNeeds } from "../../src/hls/levels";
import { chooseLevel, isHopeless } from "../../src/hls/levels";

const CALM: LevelNeeds = {
  now: 1_000,
  rates: [400_000, 1_200_000, 3_000_000],
  current: 1,
  changedAt: 900,
  bps: 40_000_000,
  bufferedS: 8,
  segmentS: 4,
  lateAt: -Infinity,
};
const needs = fc.record({
  now: fc.double({ min: 0, max: 1e6, noNaN: true }),
  rates: fc
    .array(fc.integer({ min: 100_000, max: 10_000_000 }), { minLength: 1, maxLength: 4 })
    .map((rates) => rates.sort((a, b) => a - b)),
  current: fc.nat(3),
  changedAt: fc.oneof(fc.constant(-Infinity), fc.double({ min: 0, max: 1e6, noNaN: true })),
  bps: fc.double({ min: 1, max: 1e9, noNaN: true }),
  bufferedS: fc.double({ min: 0, max: 60, noNaN: true }),
  segmentS: fc.constantFrom(2, 4, 5),
  lateAt: fc.oneof(fc.constant(-Infinity), fc.double({ min: 0, max: 1e6, noNaN: true })),
});

describe("the choice of a rendition", () => {
  it.each([
    ["goes up where the link has plenty", {}, 2],
    ["goes up at once at the beginning", { changedAt: -Infinity }, 2],
    ["stays for half a minute", { changedAt: 980 }, 1],
    ["stays while the room is late", { lateAt: 990 }, 1],
    ["goes up when the room has been in time for a while", { lateAt: 984 }, 2],
    ["stays where the link carries it", { bps: 1_500_000 }, 1],
    ["stays where it does so barely", { bps: 1_330_000 }, 1],
    ["goes down where it does not", { bps: 1_000_000 }, 0],
    ["stays, not carried, while there is a buffer", { bps: 1_000_000, changedAt: 980 }, 1],
    ["goes down at once without one", { bps: 1e6, changedAt: 999, bufferedS: 3 }, 0],
    ["takes the lowest where nothing is carried", { bps: 1_000, current: 2 }, 0],
  ])("%s", (_, change, level) => {
    expect(chooseLevel({ ...CALM, ...change })).toBe(level);
  });

  it("is one that there is", () => {
    fc.assert(
      fc.property(needs, (given) => {
        const current = Math.min(given.current, given.rates.length - 1);
        const level = chooseLevel({ ...given, current });
        expect(given.rates[level]).toBeDefined();
      }),
    );
  });

  it("does not go to and fro while the link stays what it is", () => {
    fc.assert(
      fc.property(needs, (given) => {
        let current = Math.min(given.current, given.rates.length - 1);
        let changes = 0;
        for (let now = 1e6; now < 1e6 + 600; now += 1) {
          const level = chooseLevel({ ...given, now, current, changedAt: -Infinity, lateAt: 0 });
          if (level !== current) changes += 1;
          current = level;
        }
        expect(changes).toBeLessThanOrEqual(1);
      }),
    );
  });
});

it("a segment is given up only when the picture would stop before it is here", () => {
  const hopeless = (all: number, expected: number, bufferedS: number): boolean =>
    isHopeless({ missing: { all, expected }, lowerBytes: 200_000, bps: 900_000, bufferedS });
  expect(hopeless(500_000, 0, 6)).toBe(true);
  expect(hopeless(500_000, 0, 7)).toBe(false);
  expect(hopeless(0, 0, 0)).toBe(false);
  // the lower one would be on the link behind what peers have sent
  expect(hopeless(500_000, 400_000, 6)).toBe(false);
  expect(hopeless(150_000, 0, 1)).toBe(false);
});
