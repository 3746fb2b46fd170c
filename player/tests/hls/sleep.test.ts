import { expect, it } from "vitest";
import { MediaErrors } from "../../src/hls/media-errors";
import { Sleep } from "../../src/hls/sleep";

it("who slept is known by the clock that went on without the picture", () => {
  const sleep = new Sleep(0);
  sleep.look(1_000, 1, false);
  expect(sleep.takeSlept()).toBe(false);
  sleep.look(40_000, 2, false);
  expect([sleep.takeSlept(), sleep.takeSlept()]).toEqual([true, false]);
  // a hidden tab is looked at once a minute, and plays; who paused has chosen its place
  sleep.look(100_000, 62, false);
  sleep.look(160_000, 62, true);
  // a clock that is set back
  sleep.look(0, 63, false);
  sleep.look(1_000, 64, false);
  expect(sleep.takeSlept()).toBe(false);
});

it("media errors are recovered from in place, and less and less often from the beginning", () => {
  const errors = new MediaErrors();
  const said = [0, 10, 20, 30, 31, 33, 37, 45, 60].map((s) => errors.add(s * 1_000));
  expect(said.slice(0, 3)).toEqual([null, null, null]);
  expect(said.slice(3)).toEqual([4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
  expect(errors.add(130_000)).toBeNull();
  expect(errors.add(131_000)).toBe(1_000);
});
