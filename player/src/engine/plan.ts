/** The slice plan: who fetches which pieces of a segment. docs/protocol.md, "Plan". */

import type { MemberId, Sequence } from "./protocol";

/** Pieces from `first` up to, not including, `end`. */
export interface PieceRange {
  first: number;
  end: number;
}
export interface Slice extends PieceRange {
  owner: MemberId;
}

/**
 * Cut a segment into one slice per ready member. Integers only: every member of a room, and
 * signaling, must come to the same plan.
 *
 * @param ready ids of the ready members of the segment's variant, sorted by their bytes
 * @param size bytes of the segment
 */
export function plan(
  ready: readonly MemberId[],
  sequence: Sequence,
  size: number,
  pieceSize: number,
): Slice[] {
  const pieces = Math.ceil(size / pieceSize);
  const slices = Math.min(ready.length, pieces);
  return ready.slice(0, slices).map((_, k) => ({
    first: Math.floor((pieces * k) / slices),
    end: Math.floor((pieces * (k + 1)) / slices),
    // the sequence turns the wheel, so that with fewer pieces than members all take their turns
    owner: ready[(k + sequence) % ready.length] ?? "",
  }));
}
