import { expect, it } from "vitest";
import { durationText, parseReplays } from "../../src/station/replays";

const LIST = new URL("https://tv.test/live/replays.json");
const REPLAY = {
  id: "abc-0",
  begun: "2026-11-22T20:15:00+00:00",
  duration: 4321.5,
  size: 1_000_000,
  playlist: "https://media.test/vod/abc-0/0/playlist.m3u8",
  hashes: "https://media.test/vod/abc-0/segments.json",
  torrent: "https://media.test/vod/abc-0/abc-0.torrent",
  magnet: "magnet:?xt=urn:btih:00",
};

it("reads a replay with its torrent, or without one while it is being made", () => {
  const [replay, early] = parseReplays(
    { replays: [REPLAY, { ...REPLAY, torrent: null, magnet: null }] },
    LIST,
  );
  expect(replay?.start.getTime()).toBe(Date.UTC(2026, 10, 22, 20, 15));
  expect(replay?.playlist.href).toBe(REPLAY.playlist);
  expect(replay?.torrent).toEqual({ magnet: REPLAY.magnet, file: new URL(REPLAY.torrent) });
  expect(early?.torrent).toBeNull();
});

it.each([
  ["a missing list", {}],
  ["an invalid id", { replays: [{ ...REPLAY, id: 7 }] }],
  ["an invalid size", { replays: [{ ...REPLAY, size: "1" }] }],
  ["a script for a playlist", { replays: [{ ...REPLAY, playlist: "javascript:alert(1)" }] }],
  ["a script for a magnet", { replays: [{ ...REPLAY, magnet: "javascript:alert(1)" }] }],
])("rejects %s", (_, list) => {
  expect(() => parseReplays(list, LIST)).toThrow();
});

it("formats durations for people", () => {
  expect([7.6, 59.4, 60, 719, 3600, 4321].map(durationText)).toEqual([
    ...["8 s", "59 s", "1 min", "12 min", "1 h 0 min", "1 h 12 min"],
  ]);
});
