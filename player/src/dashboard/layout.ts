/** Layout of a room's diagram. Pure. */

import type { RoomTopology } from "./types";

export const SIZE = 400;
const CENTER = SIZE / 2;
const RADIUS = 160;
const MAX_WIDTH = 5;
const MIN_WIDTH = 0.6;
/** How far a line bends toward the center, as a fraction of the distance. */
const BEND = 0.35;

export interface Point {
  x: number;
  y: number;
}

export interface Edge {
  /** index in `members`; null: the store */
  from: number | null;
  to: number;
  /** an SVG path */
  path: string;
  width: number;
}

/** Returns a member's position: they form a circle around the store, the first one at the top. */
export function position(place: number, members: number): Point {
  const turn = (place / Math.max(1, members)) * 2 * Math.PI - Math.PI / 2;
  return { x: CENTER + RADIUS * Math.cos(turn), y: CENTER + RADIUS * Math.sin(turn) };
}

export const STORE: Point = { x: CENTER, y: CENTER };

/** Returns the lines from the store to members that fetch there, and between members that push. */
export function edges({ members, from_store, pushes }: RoomTopology): Edge[] {
  const fetched = Object.entries(from_store).map(([to, pieces]) => ({ to: Number(to), pieces }));
  const maxPieces = Math.max(
    1,
    ...fetched.map(({ pieces }) => pieces),
    ...pushes.map((push) => push[2]),
  );
  const width = (pieces: number) => MIN_WIDTH + (MAX_WIDTH - MIN_WIDTH) * (pieces / maxPieces);
  const at = (place: number) => position(place, members.length);
  return [
    ...fetched.map(({ to, pieces }) => ({
      from: null,
      to,
      path: line(STORE, at(to)),
      width: width(pieces),
    })),
    ...pushes.map(([from, to, pieces]) => ({
      from,
      to,
      path: curve(at(from), at(to)),
      width: width(pieces),
    })),
  ];
}

/** Returns a line for each pair of members that should have a link but do not. */
export function missingLinks({ members }: RoomTopology): string[] {
  const at = (place: number) => position(place, members.length);
  const pairs = new Set(
    members.flatMap(({ cut }, place) =>
      cut.map((other) => `${Math.min(place, other)} ${Math.max(place, other)}`),
    ),
  );
  return [...pairs].map((pair) => {
    const [one = 0, other = 0] = pair.split(" ").map(Number);
    return line(at(one), at(other));
  });
}

function line(from: Point, to: Point): string {
  return `M${point(from)}L${point(to)}`;
}

/** Each direction of a pair bends to its own side, so that both are visible. */
function curve(from: Point, to: Point): string {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const side = { x: (to.y - from.y) * 0.08, y: (from.x - to.x) * 0.08 };
  const bend = {
    x: middle.x + (CENTER - middle.x) * BEND + side.x,
    y: middle.y + (CENTER - middle.y) * BEND + side.y,
  };
  return `M${point(from)}Q${point(bend)} ${point(to)}`;
}

function point({ x, y }: Point): string {
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}
