import { expect, it } from "vitest";
import { Startup } from "../../src/engine/startup";

let clock = 1_000;
const begin = () => {
  clock = 1_000;
  return new Startup(() => clock);
};

it("ends with the first segment that the viewer could own a part of", () => {
  const startup = begin();
  startup.look(7);
  expect(startup.includes(7)).toBe(true);
  startup.look(8, true);
  startup.look(9, true);
  expect([7, 8, 9].map((sequence) => startup.includes(sequence))).toEqual([true, false, false]);
});

it("lasts 15 seconds for a viewer that never becomes ready", () => {
  const startup = begin();
  clock += 15_000;
  startup.look(7);
  expect(startup.includes(7)).toBe(true);
  clock += 1;
  startup.look(8);
  expect([7, 8].map((sequence) => startup.includes(sequence))).toEqual([true, false]);
});

it("has what belongs to no segment", () => {
  const startup = begin();
  startup.look(8, true);
  expect(startup.includes(null)).toBe(true);
});
