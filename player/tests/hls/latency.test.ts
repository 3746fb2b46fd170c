import { expect, it, beforeEach, describe } from "vitest";
import { targetLatencyS, RateController } from "../../src/hls/latency";

it.each([
  ["of segments of 4 s", 4, 900, 8.9],
  ["of segments of 2 s", 2, 600, 5.1],
  ["of segments of 5 s", 5, 1_400, 11],
  ["while nothing was measured", 4, null, 9],
  ["of a slow room, whose time is to spare as well", 4, 3_000, 9.2],
  ["of a slower one", 4, 4_000, 9.6],
  ["of a room that brings nothing in time", 4, 60_000, 16],
])("the target latency %s", (_, targetS, completionMs, expected) => {
  expect(targetLatencyS(targetS, completionMs)).toBeCloseTo(expected);
});

let video: EventTarget;
let controller: RateController;

beforeEach(() => {
  video = new EventTarget();
  controller = new RateController(video, new AbortController().signal);
});
const events = (...types: string[]): void => {
  for (const type of types) video.dispatchEvent(new Event(type));
};

describe("the playback rate of a viewer near live", () => {
  it.each([
    ["is raised when late", 0.4, 6, 1, 1.05],
    ["stays raised until the target is reached", 0.2, 6, 1.05, 1.05],
    ["is raised more while far behind", 2.5, 6, 1.05, 1.1],
    ["is lowered on approach", 1.9, 6, 1.1, 1.05],
    ["returns to 1 at the target", 0.05, 6, 1.05, 1],
    ["is not raised for a small difference", 0.2, 6, 1, 1],
    ["is not raised with a small buffer", 5, 2.9, 1.05, 1],
    ["is 1 while the latency is unknown", -Infinity, 0, 1, 1],
    ["is lowered when too close to live", -0.4, 3, 1, 0.95],
    ["stays lowered until the target is reached", -0.2, 6, 0.95, 0.95],
    ["returns to 1 near the target", -0.05, 6, 0.95, 1],
    ["is not lowered for a small difference", -0.2, 6, 1, 1],
  ])("%s", (_, excessLatencyS, bufferedS, rate, expected) => {
    expect(controller.rate(excessLatencyS, bufferedS, rate)).toBe(expected);
  });

  it("brings back a viewer that fell far behind involuntarily", () => {
    events("waiting", "playing");
    expect(controller.rate(30, 6, 1)).toBe(1.1);
  });

  it.each([
    ["jumped back", ["seeked"]],
    ["paused", ["pause", "playing"]],
  ])("leaves alone a viewer that %s", (_, types) => {
    events(...types);
    expect(controller.rate(12, 6, 1)).toBe(1);
    expect(controller.rate(12, 6, 1)).toBe(1);
  });

  it("resumes when that viewer returns to live", () => {
    events("seeked");
    expect(controller.rate(12, 6, 1)).toBe(1);
    events("seeked");
    expect(controller.rate(0.8, 6, 1)).toBe(1.05);
  });

  it("ignores a short pause", () => {
    events("pause", "playing");
    expect(controller.rate(2.5, 6, 1)).toBe(1.1);
  });
});
