import Hls, { Events } from "hls.js";
import { afterEach, beforeEach, expect, it, vi, describe } from "vitest";
import type { Network } from "../../src/engine/engine";
import { engineAbrController, chooseLevel, isHopeless } from "../../src/hls/abr";
import { UNKNOWN_NETWORK } from "../support";
import fc from "fast-check";
import type { LevelInputs } from "../../src/hls/abr";

const RATES = [400_000, 1_200_000];
const CALM: Network = { ...UNKNOWN_NETWORK, bps: 40e6 };
const network = { ...CALM };
let buffered: number;
let triggered: string[];
let aborted: number;
let intended: string[];

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(network, CALM);
  [buffered, triggered, aborted, intended] = [8, [], 0, []];
});
afterEach(() => {
  vi.useRealTimers();
});

/** The part of hls.js that the controller uses. */
function controller(loadLevel = 0) {
  const hls = {
    loadLevel,
    levels: RATES.map((maxBitrate, k) => ({ maxBitrate, url: [`/live/${k}/playlist.m3u8`] })),
    minAutoLevel: 0,
    maxAutoLevel: 1,
    autoLevelEnabled: true,
    media: { paused: false },
    latestLevelDetails: { targetduration: 4 },
    config: Hls.DefaultConfig,
    logger: console,
    on: vi.fn(),
    off: vi.fn(),
    trigger: (event: string) => triggered.push(event),
  };
  const Controller = engineAbrController({
    network: () => network,
    bufferedS: () => buffered,
    onNextVariant: (url) => intended.push(url),
  });
  const it = new Controller(hls as unknown as Hls);
  const loading = (level: number): void => {
    const frag = {
      sn: 7,
      level,
      stats: { aborted: false, loaded: 0 },
      abortRequests: () => aborted++,
    };
    // protected only in TypeScript; hls.js calls it
    (it as unknown as { onFragLoading: (e: string, d: unknown) => void }).onFragLoading("", {
      frag,
    });
  };
  return { it, hls, loading };
}

it("switches up by the engine's estimate, and waits before the next switch", () => {
  const { it, hls } = controller();
  expect(it.nextAutoLevel).toBe(1);
  hls.loadLevel = 1;
  (it as unknown as { onLevelSwitching: (e: string, d: unknown) => void }).onLevelSwitching("", {});
  network.bps = 900_000;
  expect(it.nextAutoLevel).toBe(1);
  vi.advanceTimersByTime(31_000);
  expect(it.nextAutoLevel).toBe(0);
});

it("respects hls.js's level limits", () => {
  const { it, hls } = controller();
  hls.maxAutoLevel = 0;
  expect(it.nextAutoLevel).toBe(0);
});

it("abandons a fragment that cannot arrive before the picture stops", () => {
  const { it, loading } = controller(1);
  loading(1);
  Object.assign(network, { bps: 900_000, missing: { all: 600_000, expected: 0 } });
  vi.advanceTimersByTime(1_000);
  expect(triggered).toEqual([]);
  buffered = 6;
  vi.advanceTimersByTime(1_000);
  expect(triggered).toEqual([Events.FRAG_LOAD_EMERGENCY_ABORTED]);
  expect(aborted).toBe(1);
  expect(it.nextAutoLevel).toBe(0);
});

it("reports the next variant when the connection cannot sustain this one", () => {
  const { loading } = controller(1);
  loading(1);
  vi.advanceTimersByTime(1_000);
  expect(intended).toEqual([]);
  // what peers have sent arrives anyway
  Object.assign(network, { bps: 900_000, missing: { all: 600_000, expected: 600_000 } });
  buffered = 4;
  vi.advanceTimersByTime(500);
  expect(new Set(intended)).toEqual(new Set(["/live/0/playlist.m3u8"]));
  expect(triggered).toEqual([]);
});

it("abandons nothing if the viewer chose the quality, or there is none lower", () => {
  Object.assign(network, { bps: 300_000, missing: { all: 600_000, expected: 0 } });
  buffered = 1;
  const manual = controller(1);
  manual.hls.autoLevelEnabled = false;
  manual.loading(1);
  controller(0).loading(0);
  vi.advanceTimersByTime(5_000);
  expect(triggered).toEqual([]);
});

const STEADY: LevelInputs = {
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

describe("the choice of a level", () => {
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
    expect(chooseLevel({ ...STEADY, ...change })).toBe(level);
  });

  it("is an existing level", () => {
    fc.assert(
      fc.property(needs, (given) => {
        const current = Math.min(given.current, given.rates.length - 1);
        const level = chooseLevel({ ...given, current });
        expect(given.rates[level]).toBeDefined();
      }),
    );
  });

  it("does not oscillate while the bandwidth is constant", () => {
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

it("a segment is abandoned only if the picture would stop before it arrives", () => {
  const hopeless = (all: number, expected: number, bufferedS: number): boolean =>
    isHopeless({ missing: { all, expected }, lowerBytes: 200_000, bps: 900_000, bufferedS });
  expect(hopeless(500_000, 0, 6)).toBe(true);
  expect(hopeless(500_000, 0, 7)).toBe(false);
  expect(hopeless(0, 0, 0)).toBe(false);
  // the lower variant would queue behind what peers have sent
  expect(hopeless(500_000, 400_000, 6)).toBe(false);
  expect(hopeless(150_000, 0, 1)).toBe(false);
});
