import { expect, it } from "vitest";
import { liveOffset, bytes, moment, percent, seconds, speed } from "../../src/ui/format";

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.0 kB"],
  [9_960, "10 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [12_345_678, "12 MB"],
  [2.5e9, "2.5 GB"],
  [7e15, "7.0 PB"],
  [7e18, "7000 PB"],
])("%d bytes are %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});

it.each([
  [0, "0"],
  [64_000, "64 kbit/s"],
  [100_000, "0.1 Mbit/s"],
  [1_920_000, "1.9 Mbit/s"],
])("%d bit/s are %s", (bps, text) => {
  expect(speed(bps)).toBe(text);
});

it("percentages are rounded down", () => {
  expect([percent(0.999), percent(0.8799), percent(0), percent(null)]).toEqual([
    ...["99%", "87%", "0%", "–"],
  ]);
});

it("times are short", () => {
  expect([liveOffset(9.9), liveOffset(65), liveOffset(3_723)]).toEqual([
    "−0:09",
    "−1:05",
    "−1:02:03",
  ]);
  expect([seconds(9.87), seconds(null)]).toEqual(["9.9 s", "–"]);
});

it("a moment is named as people would", () => {
  const now = new Date(2026, 10, 22, 21, 0);
  expect(moment(new Date(2026, 10, 22, 9, 5), now, "en-GB")).toBe("today at 09:05");
  expect(moment(new Date(2026, 10, 20, 20, 15), now, "en-GB")).toBe(
    "on Friday 20 November at 20:15",
  );
  expect(moment(new Date(2025, 11, 31, 20, 15), now, "en-GB")).toContain("2025");
});
