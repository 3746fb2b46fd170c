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

it("reloads the current variant's playlist at once, and postpones hls.js's timer", () => {
  new PlaylistRefresh(hls, () => 5_000).onPublished(11);
  expect(loads).toMatchObject([
    ["hlsLevelLoading", { url: "https://tv.test/live/1/playlist.m3u8", level: 1 }],
  ]);
  expect(details.requestScheduled).toBe(5_000 + 1.5 * TARGET_S * 1_000);
});

it("does nothing for known segments, ended playlists and unloaded levels", () => {
  const refresh = new PlaylistRefresh(hls);
  refresh.onPublished(10);
  details.live = false;
  refresh.onPublished(11);
  hls.levels.splice(0);
  refresh.onPublished(12);
  expect(loads).toHaveLength(0);
});

it("retries while an edge serves the old playlist, but not forever", () => {
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

it("ignores repeated announcements, and stops when closed", () => {
  const refresh = new PlaylistRefresh(hls);
  refresh.onPublished(11);
  refresh.onPublished(11);
  expect(loads).toHaveLength(1);
  refresh.close();
  vi.advanceTimersByTime(10_000);
  expect(loads).toHaveLength(1);
});
