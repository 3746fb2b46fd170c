import type Hls from "hls.js";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PlaylistRefresh } from "../../src/hls/playlist-refresh";

const TARGET_S = 4;
let details: { live: boolean; endSN: number; targetduration: number; requestScheduled: number };
let loads: unknown[];
let hls: Hls;

beforeEach(() => {
  vi.useFakeTimers();
  details = { live: true, endSN: 10, targetduration: TARGET_S, requestScheduled: 1_000 };
  loads = [];
  const uri = "https://tv.test/live/1/playlist.m3u8";
  const levels = [{}, { uri, attrs: { "PATHWAY-ID": undefined }, details }];
  const trigger = (event: string, data: unknown): boolean => loads.push([event, data]) > 0;
  hls = { levels, loadLevel: 1, trigger } as unknown as Hls;
});
afterEach(() => {
  vi.useRealTimers();
});

it("loads the playlist of the rendition that is played at once, and puts hls.js's clock off", () => {
  new PlaylistRefresh(hls, () => 5_000).onPublished(11);
  expect(loads).toMatchObject([
    ["hlsLevelLoading", { url: "https://tv.test/live/1/playlist.m3u8", level: 1 }],
  ]);
  expect(details.requestScheduled).toBe(5_000 + 1.5 * TARGET_S * 1_000);
});

it("leaves alone what is known, what is over, and what was not loaded yet", () => {
  const refresh = new PlaylistRefresh(hls);
  refresh.onPublished(10);
  details.live = false;
  refresh.onPublished(11);
  hls.levels.splice(0);
  refresh.onPublished(12);
  expect(loads).toHaveLength(0);
});

it("looks again where an edge has the playlist of before, but not for ever", () => {
  const refresh = new PlaylistRefresh(hls);
  refresh.onPublished(11);
  vi.advanceTimersByTime(400);
  expect(loads).toHaveLength(2);
  details.endSN = 11;
  vi.advanceTimersByTime(10_000);
  expect(loads).toHaveLength(2);
  refresh.onPublished(12);
  vi.advanceTimersByTime(10_000);
  expect(loads).toHaveLength(2 + 4);
});

it("takes an announcement that is repeated for none, and none after its end", () => {
  const refresh = new PlaylistRefresh(hls);
  refresh.onPublished(11);
  refresh.onPublished(11);
  expect(loads).toHaveLength(1);
  refresh.close();
  vi.advanceTimersByTime(10_000);
  expect(loads).toHaveLength(1);
});
