import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SegmentNeed } from "../../src/engine/deadline";
import { MAX_WAIT_S, deadlineS, decideFetches } from "../../src/engine/deadline";

const DEADLINE_S = 1.6;
const need = (change: Partial<SegmentNeed>): SegmentNeed => ({
  durationS: 4,
  bufferedS: 8,
  waitedS: 0,
  missing: [0, 1, 2, 3],
  hasStoreAttempt: () => false,
  isExpected: () => true,
  downlinkFull: false,
  storeEstimateS: () => 0.5,
  ...change,
});
const ALL = [{ first: 0, end: 4 }];

describe("the deadline", () => {
  it("waits for peers while there is time", () => {
    expect(decideFetches(need({}))).toEqual({ ranges: [], late: false });
  });
  it("comes earlier with a slow store, and then everything missing is fetched", () => {
    expect(decideFetches(need({ bufferedS: DEADLINE_S + 0.4 }))).toEqual({
      ranges: ALL,
      late: true,
    });
    expect(decideFetches(need({ storeEstimateS: () => 7 })).ranges).toEqual(ALL);
  });
  it("is later for short segments, which are repaired sooner", () => {
    expect([1, 2, 4, 10].map(deadlineS)).toEqual([0.65, 1.3, 1.6, 1.6]);
    expect(decideFetches(need({ durationS: 2, bufferedS: 1.9 })).ranges).toEqual([]);
    expect(decideFetches(need({ durationS: 2, bufferedS: 1.7 })).ranges).toEqual(ALL);
  });
  it("does not duplicate on a full downlink what peers have sent", () => {
    const late = { bufferedS: 1, downlinkFull: true, isExpected: (piece: number) => piece !== 2 };
    expect(decideFetches(need(late)).ranges).toEqual([{ first: 2, end: 3 }]);
    expect(decideFetches(need({ ...late, waitedS: MAX_WAIT_S })).ranges).toEqual(ALL);
  });
  it("is immediate at start-up", () => {
    expect(decideFetches(need({ bufferedS: 0 })).ranges).toEqual(ALL);
  });
  it("does not matter for pieces that no peer will deliver", () => {
    const { ranges, late } = decideFetches(need({ isExpected: (piece) => piece !== 2 }));
    expect(ranges).toEqual([{ first: 2, end: 3 }]);
    expect(late).toBe(false);
  });
  it("comes even with a full buffer", () => {
    expect(decideFetches(need({ bufferedS: 60, waitedS: MAX_WAIT_S })).ranges).toEqual(ALL);
  });

  it("fetches only missing pieces without a store attempt, and all of those when it comes", () => {
    const sets = fc.uniqueArray(fc.nat(31));
    fc.assert(
      fc.property(
        sets,
        sets,
        sets,
        fc.float({ min: 0, max: 20, noNaN: true }),
        (m, f, e, bufferedS) => {
          const missing = m.sort((a, b) => a - b);
          const [inFlight, expected] = [new Set(f), new Set(e)];
          const { ranges } = decideFetches(
            need({
              bufferedS,
              missing,
              hasStoreAttempt: (piece) => inFlight.has(piece),
              isExpected: (piece) => expected.has(piece),
            }),
          );
          const requested = ranges.flatMap(({ first, end }) =>
            Array.from({ length: end - first }, (_, k) => first + k),
          );
          expect(new Set(requested).size).toBe(requested.length);
          const due = bufferedS <= DEADLINE_S + 0.5;
          const wanted = missing.filter((p) => !inFlight.has(p) && (due || !expected.has(p)));
          expect(requested).toEqual(wanted);
        },
      ),
    );
  });
});
