import { expect, it } from "vitest";
import { SIZE, edges, missingLinks, position } from "../../src/dashboard/layout";
import type { RoomMember, RoomTopology } from "../../src/dashboard/types";

const member = (cut: number[] = []): RoomMember => ({
  id: "a",
  variant: 0,
  ready: true,
  weight: 4,
  cut,
  figures: null,
});
const PICTURE: RoomTopology = {
  room: "room-1",
  members: [member([2]), member(), member([0])],
  pieces: { 0: 12 },
  from_store: { 0: 8, 1: 4 },
  pushes: [
    [0, 1, 8],
    [1, 0, 4],
  ],
};

it("members do not overlap, and stay within the diagram", () => {
  const points = Array.from({ length: 32 }, (_, place) => position(place, 32));
  for (const [i, { x, y }] of points.entries()) {
    expect(Math.max(Math.abs(x - SIZE / 2), Math.abs(y - SIZE / 2))).toBeLessThan(SIZE / 2 - 20);
    for (const other of points.slice(i + 1))
      expect(Math.hypot(x - other.x, y - other.y)).toBeGreaterThan(24);
  }
});

it("line widths follow the pieces, and both directions of a pair are visible", () => {
  const drawn = edges(PICTURE);
  expect(drawn.map(({ from, to }) => [from, to])).toEqual([
    [null, 0],
    [null, 1],
    [0, 1],
    [1, 0],
  ]);
  const [most = 0, less = 0] = [drawn[2]?.width, drawn[3]?.width];
  expect(most).toBeGreaterThan(less);
  expect(drawn[2]?.path).not.toBe(drawn[3]?.path);
  for (const { path } of drawn) expect(path).not.toContain("NaN");
});

it("a missing link is one line, even if both members report it", () => {
  expect(missingLinks(PICTURE)).toHaveLength(1);
});
