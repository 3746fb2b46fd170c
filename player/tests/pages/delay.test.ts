import { expect, it } from "vitest";
import { liveDelayS } from "../../src/pages/delay";

it.each([
  ["of segments of 4 s", 4, 900, 6.9],
  ["of segments of 2 s", 2, 600, 4.6],
  ["of segments of 5 s", 5, 1_400, 8.4],
  ["while nothing was measured", 4, null, 7],
  ["of a slow room", 4, 3_000, 9],
  ["of a room that brings nothing in time", 4, 60_000, 16],
])("the delay %s", (_, targetS, completionMs, expected) => {
  expect(liveDelayS(targetS, completionMs)).toBeCloseTo(expected);
});
