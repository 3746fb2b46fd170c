import Hls, { Events } from "hls.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Network } from "../../src/engine/engine";
import { levelController } from "../../src/hls/abr";
import { UNKNOWN_NETWORK } from "../support";

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

/** As much of hls.js as the controller looks at. */
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
  const Controller = levelController({
    network: () => network,
    bufferedS: () => buffered,
    onIntended: (url) => intended.push(url),
  });
  const it = new Controller(hls as unknown as Hls);
  const loading = (level: number): void => {
    const frag = {
      sn: 7,
      level,
      stats: { aborted: false, loaded: 0 },
      abortRequests: () => aborted++,
    };
    // protected in TypeScript only: hls.js calls it
    (it as unknown as { onFragLoading: (e: string, d: unknown) => void }).onFragLoading("", {
      frag,
    });
  };
  return { it, hls, loading };
}

it("goes up with what the engine measured, and waits before it changes again", () => {
  const { it, hls } = controller();
  expect(it.nextAutoLevel).toBe(1);
  hls.loadLevel = 1;
  (it as unknown as { onLevelSwitching: (e: string, d: unknown) => void }).onLevelSwitching("", {});
  network.bps = 900_000;
  expect(it.nextAutoLevel).toBe(1);
  vi.advanceTimersByTime(31_000);
  expect(it.nextAutoLevel).toBe(0);
});

it("keeps to what the operator's limits allow", () => {
  const { it, hls } = controller();
  hls.maxAutoLevel = 0;
  expect(it.nextAutoLevel).toBe(0);
});

it("gives up a fragment that cannot be here before the picture stops", () => {
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

it("tells which rendition is next when the link cannot go on with this one", () => {
  const { loading } = controller(1);
  loading(1);
  vi.advanceTimersByTime(1_000);
  expect(intended).toEqual([]);
  // what peers have sent comes anyway
  Object.assign(network, { bps: 900_000, missing: { all: 600_000, expected: 600_000 } });
  buffered = 4;
  vi.advanceTimersByTime(500);
  expect(new Set(intended)).toEqual(new Set(["/live/0/playlist.m3u8"]));
  expect(triggered).toEqual([]);
});

it("gives up nothing where the viewer chose the rendition, or there is none below", () => {
  Object.assign(network, { bps: 300_000, missing: { all: 600_000, expected: 0 } });
  buffered = 1;
  const manual = controller(1);
  manual.hls.autoLevelEnabled = false;
  manual.loading(1);
  controller(0).loading(0);
  vi.advanceTimersByTime(5_000);
  expect(triggered).toEqual([]);
});
