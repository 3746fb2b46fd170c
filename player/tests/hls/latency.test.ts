import { expect, it } from "vitest";
import { liveDelayS } from "../../src/hls/latency";

it.each([
  ["of segments of 4 s", 4, 900, 8.9],
  ["of segments of 2 s", 2, 600, 5.1],
  ["of segments of 5 s", 5, 1_400, 11],
  ["while nothing was measured", 4, null, 9],
  ["of a slow room, whose time is to spare as well", 4, 3_000, 9.2],
  ["of a slower one", 4, 4_000, 9.6],
  ["of a room that brings nothing in time", 4, 60_000, 16],
])("the delay %s", (_, targetS, completionMs, expected) => {
  expect(liveDelayS(targetS, completionMs)).toBeCloseTo(expected);
});
