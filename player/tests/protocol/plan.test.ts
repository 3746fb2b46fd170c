import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/plan.json";
import { plan, relay, sharedPieces } from "../../src/protocol/plan";
import type { PlanMember } from "../../src/protocol/plan";
import { PLAN_VERSION } from "../../src/protocol/messages";

const full = (id: string): PlanMember => ({ id, weight: 4, unreachable: [] });
const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,8}$/), { maxLength: 32 });
const roster = ids.map((members) => members.map(full));

describe("the slice plan", () => {
  it("has the version of the shared vectors", () => {
    expect(vectors.plan_version).toBe(PLAN_VERSION);
    expect(vectors.cases.length).toBeGreaterThan(0);
  });

  it.each(
    vectors.cases.map(
      (c) =>
        [`${c.ready.length} members, sequence ${c.sequence}, ${c.for_all}/32 for all`, c] as const,
    ),
  )(
    "matches the shared vectors: %s",
    (_, { ready: members, sequence, size, piece_size, for_all, slices, relays }) => {
      const ready = members.map(({ id, weight, cut }) => ({ id, weight, unreachable: cut }));
      const planned = plan(ready, sequence, size, piece_size, for_all);
      expect(planned).toEqual(slices);
      for (const { slice, receiver, relay: expected } of relays) {
        const part = planned[slice];
        const member = ready.find(({ id }) => id === receiver);
        expect(part && member && relay(ready, sequence, part, member)).toBe(expected);
      }
    },
  );

  it("covers every piece exactly once, in order, in slices as equal as possible", () => {
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

  it("rotates when there are fewer pieces than members", () => {
    const ready = ["a", "b", "c"].map(full);
    const owners = [0, 1, 2].map((sequence) => plan(ready, sequence, 1, 16_384)[0]?.owner);
    expect([...owners].sort()).toEqual(["a", "b", "c"]);
  });

  it("follows upload weights, exactly in the long run", () => {
    const ready = [full("a"), { ...full("b"), weight: 2 }, { ...full("c"), weight: 0 }, full("d")];
    const owned = new Map<string, number>();
    for (let sequence = 0; sequence < 300; sequence += 1)
      for (const { first, end, owner } of plan(ready, sequence, 20 * 16_384, 16_384))
        owned.set(owner, (owned.get(owner) ?? 0) + end - first);
    expect(owned.get("a")).toBe(owned.get("d"));
    expect(owned.get("a")).toBe(2 * (owned.get("b") ?? 0));
    expect(owned.has("c")).toBe(false);
  });

  it("leaves out the origin share", () => {
    expect(sharedPieces(20, 8)).toBe(15);
    const slices = plan([full("a"), full("b")], 1, 20 * 16_384, 16_384, 8);
    expect(slices.at(-1)?.end).toBe(15);
    expect(plan([full("a")], 1, 20 * 16_384, 16_384, 32)).toEqual([]);
  });
});
