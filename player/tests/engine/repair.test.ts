import { describe, expect, it } from "vitest";
import type { RepairView } from "../../src/engine/repair";
import { repair } from "../../src/engine/repair";

const HOLDERS = ["a", "b", "c", "d", "e", "f"];
const damage = (you: string, change: Partial<RepairView> = {}): RepairView => ({
  you,
  elapsedMs: 2_000,
  expectedMs: 1_000,
  slices: [{ first: 0, end: 8, owner: "o", successors: [], pushedBy: "o", relayTo: [] }],
  missing: [3],
  isPushExpected: () => true,
  quietMs: () => Infinity,
  holders: () => HOLDERS,
  lackingCount: () => 0,
  interestedCount: HOLDERS.length,
  openRequests: () => 0,
  ...change,
});

describe("a late piece", () => {
  it("is asked for from the least busy one", () => {
    const openRequests = (id: string) => (id === "d" ? 0 : 1);
    expect(repair(damage("me", { openRequests })).requests).toEqual([{ piece: 3, from: "d" }]);
  });

  it("is asked for by different members from different ones, though all know them in one order", () => {
    const asked = Array.from({ length: 600 }, (_, k) => repair(damage(`m${k}`)).requests[0]?.from);
    for (const holder of HOLDERS)
      expect(asked.filter((id) => id === holder).length).toBeGreaterThan(600 / 6 / 2);
  });

  it("is waited for as long again while who pushes it brings others", () => {
    const slow = { quietMs: () => 500, elapsedMs: 1_900 };
    expect(repair(damage("me", slow)).requests).toEqual([]);
    expect(repair(damage("me", { ...slow, elapsedMs: 2_000 })).requests).toHaveLength(1);
    expect(repair(damage("me", { ...slow, quietMs: () => 1_000 })).requests).toHaveLength(1);
  });

  it("is not asked for where all who have it have enough to do", () => {
    expect(repair(damage("me", { openRequests: () => 4 })).requests).toEqual([]);
  });
});
