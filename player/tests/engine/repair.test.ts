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
  it("is requested from the least busy holder", () => {
    const openRequests = (id: string) => (id === "d" ? 0 : 1);
    expect(repair(damage("me", { openRequests })).requests).toEqual([{ piece: 3, from: "d" }]);
  });

  it("is requested from different holders by different members", () => {
    const asked = Array.from({ length: 600 }, (_, k) => repair(damage(`m${k}`)).requests[0]?.from);
    for (const holder of HOLDERS)
      expect(asked.filter((id) => id === holder).length).toBeGreaterThan(600 / 6 / 2);
  });

  it("is waited for twice as long while its sender delivers other pieces", () => {
    const slow = { quietMs: () => 500, elapsedMs: 1_900 };
    expect(repair(damage("me", slow)).requests).toEqual([]);
    expect(repair(damage("me", { ...slow, elapsedMs: 2_000 })).requests).toHaveLength(1);
    expect(repair(damage("me", { ...slow, quietMs: () => 1_000 })).requests).toHaveLength(1);
  });

  it("is not requested from holders that are all busy", () => {
    expect(repair(damage("me", { openRequests: () => 4 })).requests).toEqual([]);
  });
});
