import { expect, it, beforeEach } from "vitest";
import { MediaErrorPolicy, SleepDetector, watchStalls } from "../../src/hls/watchdog";

it("sleep shows as time that passed without playback", () => {
  const sleep = new SleepDetector(0);
  sleep.check(1_000, 1, false);
  expect(sleep.takeSlept()).toBe(false);
  sleep.check(40_000, 2, false);
  expect([sleep.takeSlept(), sleep.takeSlept()]).toEqual([true, false]);
  // a hidden tab is checked once a minute, and plays; a paused viewer keeps its position
  sleep.check(100_000, 62, false);
  sleep.check(160_000, 62, true);
  // the clock is set back
  sleep.check(0, 63, false);
  sleep.check(1_000, 64, false);
  expect(sleep.takeSlept()).toBe(false);
});

it("media errors are recovered from in place, then by ever rarer reloads", () => {
  const errors = new MediaErrorPolicy();
  const delaysMs = [0, 10, 20, 30, 31, 33, 37, 45, 60].map((s) => errors.onError(s * 1_000));
  expect(delaysMs.slice(0, 3)).toEqual([null, null, null]);
  expect(delaysMs.slice(3)).toEqual([4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
  expect(errors.onError(130_000)).toBeNull();
  expect(errors.onError(131_000)).toBe(1_000);
});

let video: EventTarget;
let expected: boolean;
let stalls: number;

beforeEach(() => {
  video = new EventTarget();
  expected = true;
  stalls = 0;
  watchStalls(
    video,
    () => expected,
    () => (stalls += 1),
  );
});
const events = (...types: string[]) => {
  for (const type of types) video.dispatchEvent(new Event(type));
};

it.each([
  ["a running picture that breaks off", ["playing", "waiting"], 1],
  ["once, however often it waits", ["playing", "waiting", "waiting"], 1],
  ["each time that it breaks off", ["playing", "waiting", "playing", "waiting"], 2],
  ["a player that is reloaded while playing", ["playing", "emptied", "waiting"], 1],
  ["not the start", ["waiting", "playing"], 0],
  ["not a seek, nor waiting after it", ["playing", "seeking", "waiting", "seeked", "waiting"], 0],
  ["not waiting after a pause", ["playing", "pause", "waiting"], 0],
  ["not the end of a stream", ["playing", "ended", "emptied", "waiting"], 0],
])("counts %s", (_, types, count) => {
  events(...types);
  expect(stalls).toBe(count);
});

it("counts nothing while no picture is expected, and resumes afterward", () => {
  events("playing");
  expected = false;
  events("waiting");
  expect(stalls).toBe(0);
  expected = true;
  events("waiting", "playing", "waiting");
  expect(stalls).toBe(1);
});
