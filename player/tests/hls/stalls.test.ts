import { beforeEach, expect, it } from "vitest";
import { watchStalls } from "../../src/hls/stalls";

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
  ["once, however long it waits", ["playing", "waiting", "waiting"], 1],
  ["each time that it breaks off", ["playing", "waiting", "playing", "waiting"], 2],
  ["a player that is loaded anew under way", ["playing", "emptied", "waiting"], 1],
  ["not the start", ["waiting", "playing"], 0],
  ["not a seek, nor the wait after it", ["playing", "seeking", "waiting", "seeked", "waiting"], 0],
  ["not the wait after a pause", ["playing", "pause", "waiting"], 0],
  ["not the end of a stream", ["playing", "ended", "emptied", "waiting"], 0],
])("counts %s", (_, types, count) => {
  events(...types);
  expect(stalls).toBe(count);
});

it("counts nothing while no picture is expected, and goes on when there is one again", () => {
  events("playing");
  expected = false;
  events("waiting");
  expect(stalls).toBe(0);
  expected = true;
  events("waiting", "playing", "waiting");
  expect(stalls).toBe(1);
});
