/** Deadlines, repair and fallbacks in rooms with faults. */

import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Faults } from "./simulated-room";
import { SEGMENT_MS, SimulatedRoom } from "./simulated-room";

const SEGMENTS = 6;
const RUNS = 25;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "setTimeout", "clearInterval", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const SOUND: Faults = { goneAt: 0, unnoticedMs: 0, slowMs: 0, skew: 0, pollMs: 0 };
const sound = fc.record({
  ...{ goneAt: fc.constant(0), unnoticedMs: fc.constant(0), slowMs: fc.nat(300) },
  ...{ skew: fc.integer({ min: -2, max: 2 }), pollMs: fc.nat(SEGMENT_MS / 2) },
});
const faulty = fc.record({
  goneAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: SEGMENTS * SEGMENT_MS })),
  unnoticedMs: fc.nat(15_000),
  slowMs: fc.oneof(fc.nat(300), fc.nat(8_000)),
  skew: fc.integer({ min: -50, max: 50 }),
  pollMs: fc.nat(SEGMENT_MS / 2),
});
const atMost = (room: SimulatedRoom): number => Math.max(...[...room.fetched.values()].flat());

it("without faults each byte leaves the store once, and no deadline is reached", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sound, { minLength: 2, maxLength: 8 }), async (members) => {
      const room = new SimulatedRoom(members);
      await room.run(SEGMENTS);
      expect([...room.fetched.values()].flat()).toEqual(Array(SEGMENTS * 8).fill(1));
      for (const { stats, played, stalled } of room.viewers) {
        expect([played, stalled]).toEqual([SEGMENTS, 0]);
        expect(stats.segments.deadline_fetches).toBe(0);
      }
    }),
    { numRuns: RUNS },
  );
}, 60_000);

it("with departures, delays and clock skew, every segment arrives before playback stops", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(faulty, { minLength: 2, maxLength: 8 }), async (members) => {
      const room = new SimulatedRoom(members);
      await room.run(SEGMENTS);
      for (const { alive, played, stalled } of room.viewers)
        if (alive) expect([played, stalled]).toEqual([SEGMENTS, 0]);
      // nobody fetches anything twice from the store
      expect(atMost(room)).toBeLessThanOrEqual(members.length);
    }),
    { numRuns: RUNS },
  );
}, 60_000);

it("a member that vanishes unnoticed costs the room one copy of its slices, not one per member", async () => {
  const members = Array.from({ length: 8 }, (_, k) =>
    k === 0 ? { ...SOUND, goneAt: 2 * SEGMENT_MS + 1, unnoticedMs: 60_000 } : SOUND,
  );
  const room = new SimulatedRoom(members);
  await room.run(SEGMENTS);
  const copies = [...room.fetched.values()].flat();
  expect(Math.max(...copies)).toBeLessThanOrEqual(2);
  for (const { id, stats, stalled } of room.viewers) {
    expect(stalled).toBe(0);
    if (id !== "m0") expect(stats.segments.deadline_fetches).toBe(0);
  }
});
