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
])("the delay %s", (_, targetS, completionMs, expected) => {
  expect(targetLatencyS(targetS, completionMs)).toBeCloseTo(expected);
});

let video: EventTarget;
let liveRate: RateController;

beforeEach(() => {
  video = new EventTarget();
  liveRate = new RateController(video, new AbortController().signal);
});
const events = (...types: string[]): void => {
  for (const type of types) video.dispatchEvent(new Event(type));
};

describe("the speed of who wants to be live", () => {
  it.each([
    ["begins where it is behind", 0.4, 6, 1, 1.05],
    ["goes on until it is there", 0.2, 6, 1.05, 1.05],
    ["goes faster while it is far", 2.5, 6, 1.05, 1.1],
    ["slows down when it comes near", 1.9, 6, 1.1, 1.05],
    ["ends there", 0.05, 6, 1.05, 1],
    ["does not begin for little", 0.2, 6, 1, 1],
    ["never empties the buffer", 5, 2.9, 1.05, 1],
    ["waits while nothing is known", -Infinity, 0, 1, 1],
    ["falls back from where it is too near", -0.4, 3, 1, 0.95],
    ["falls back until it is there", -0.2, 6, 0.95, 0.95],
    ["stays there", -0.05, 6, 0.95, 1],
    ["does not fall back for little", -0.2, 6, 1, 1],
  ])("%s", (_, lateS, bufferedS, rate, expected) => {
    expect(liveRate.rate(lateS, bufferedS, rate)).toBe(expected);
  });

  it("brings back who fell far behind without wanting to", () => {
    events("waiting", "playing");
    expect(liveRate.rate(30, 6, 1)).toBe(1.1);
  });

  it.each([
    ["jumped back", ["seeked"]],
    ["paused", ["pause", "playing"]],
  ])("leaves alone who %s", (_, types) => {
    events(...types);
    expect(liveRate.rate(12, 6, 1)).toBe(1);
    expect(liveRate.rate(12, 6, 1)).toBe(1);
  });

  it("begins anew when that viewer goes back to live", () => {
    events("seeked");
    expect(liveRate.rate(12, 6, 1)).toBe(1);
    events("seeked");
    expect(liveRate.rate(0.8, 6, 1)).toBe(1.05);
  });

  it("takes a short pause for none", () => {
    events("pause", "playing");
    expect(liveRate.rate(2.5, 6, 1)).toBe(1.1);
  });
});
