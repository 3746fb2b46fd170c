import { describe, expect, it } from "vitest";
import { catchUpRate } from "../../src/pages/catchup";

describe("catching up with live", () => {
  it.each([
    ["begins half a second behind", 0.6, 6, 1, 1.05],
    ["goes on until it is there", 0.3, 6, 1.05, 1.05],
    ["goes faster while it is far", 2.5, 6, 1.05, 1.1],
    ["slows down when it comes near", 1.9, 6, 1.1, 1.05],
    ["ends there", 0.05, 6, 1.05, 1],
    ["does not begin for little", 0.4, 6, 1, 1],
    ["never empties the buffer", 5, 2.9, 1.05, 1],
    ["leaves alone who went back on purpose", 40, 10, 1, 1],
    ["waits while nothing is known", -Infinity, 0, 1, 1],
  ])("%s", (_, lateS, bufferedS, rate, expected) => {
    expect(catchUpRate(lateS, bufferedS, rate)).toBe(expected);
  });
});
