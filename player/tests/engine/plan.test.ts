import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/plan.json";
import { plan } from "../../src/engine/plan";
import { PLAN_VERSION } from "../../src/engine/protocol";

const roster = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { maxLength: 40 });

describe("the slice plan", () => {
  it("has the version of the shared vectors", () => {
    expect(vectors.plan_version).toBe(PLAN_VERSION);
    expect(vectors.cases.length).toBeGreaterThan(0);
  });

  it.each(
    vectors.cases.map((c) => [`${c.ready.length} members, sequence ${c.sequence}`, c] as const),
  )("is that of the shared vectors: %s", (_, { ready, sequence, size, piece_size, slices }) => {
    expect(plan(ready, sequence, size, piece_size)).toEqual(slices);
  });

  it("covers every piece exactly once, in order, with as equal slices as pieces allow", () => {
    fc.assert(
      fc.property(
        roster.filter((ready) => ready.length > 0),
        fc.nat(0xffff_ffff),
        fc.integer({ min: 1, max: 40_000_000 }),
        fc.constantFrom(16_384, 65_536, 2_097_152),
        (ready, sequence, size, pieceSize) => {
          const slices = plan(ready, sequence, size, pieceSize);
          let next = 0;
          for (const { first, end } of slices) {
            expect(first).toBe(next);
            expect(end).toBeGreaterThan(first);
            next = end;
          }
          expect(next).toBe(Math.ceil(size / pieceSize));
          const sizes = slices.map(({ first, end }) => end - first);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          expect(new Set(slices.map(({ owner }) => owner)).size).toBe(slices.length);
        },
      ),
    );
  });

  it("gives each member its turn when there are fewer pieces than members", () => {
    const ready = ["a", "b", "c"];
    const owners = [0, 1, 2].map((sequence) => plan(ready, sequence, 1, 16_384)[0]?.owner);
    expect(owners).toEqual(ready);
  });
});
