/** What to do about pieces that have not come when they should have: docs/protocol.md. Pure. */

import { rank } from "../protocol/plan";
import type { MemberId } from "../protocol/messages";
import type { PlannedSlice } from "../room/room";

/** Requests under way to one member. */
const MAX_REQUESTS = 4;

/** What is known of a segment that is not complete. */
export interface RepairView {
  you: MemberId;
  /** since the announcement */
  elapsedMs: number;
  expectedMs: number;
  slices: readonly PlannedSlice[];
  /** pieces that are not here and not under way from the store or by request */
  missing: readonly number[];
  /** whether its owner, or somebody in its place, was to push this slice to this viewer */
  isPushExpected: (slice: PlannedSlice) => boolean;
  /** how long nothing has come from who pushes this slice, ms */
  quietMs: (slice: PlannedSlice) => number;
  /** linked members that say that they have this piece */
  holders: (piece: number) => readonly MemberId[];
  /** of the linked members of this rendition, those that do not say so; and all of them */
  lackingCount: (piece: number) => number;
  interestedCount: number;
  /** requests under way to a member */
  openRequests: (id: MemberId) => number;
}

export interface RepairDecision {
  requests: { piece: number; from: MemberId }[];
  /** pieces to fetch in the owner's place, ascending, and push */
  successorPieces: number[];
}

/**
 * A piece that somebody has and that is late, or that nobody was to push here, is requested from the
 * least busy one who has it. A slice that most lack when its owner is late is fetched by its first
 * successor, and as long again later by the second.
 *
 * Who still brings other pieces is given as much time again: where uplinks are short all are slow,
 * and whatever is sent twice makes them slower.
 */
export function repair(view: RepairView): RepairDecision {
  const { you, elapsedMs, expectedMs, slices, missing, interestedCount } = view;
  const requests: RepairDecision["requests"] = [];
  const successorPieces: number[] = [];
  const newRequests = new Map<MemberId, number>();
  const busy = (id: MemberId): number => view.openRequests(id) + (newRequests.get(id) ?? 0);
  for (const piece of missing) {
    const slice = slices.find(({ first, end }) => first <= piece && piece < end);
    if (!slice) continue;
    const dueMs = view.quietMs(slice) >= expectedMs ? expectedMs : 2 * expectedMs;
    const nth = slice.successors.indexOf(you);
    const isMyTurn = nth >= 0 && elapsedMs >= dueMs * (nth + 1);
    if (isMyTurn && 2 * view.lackingCount(piece) > interestedCount) {
      successorPieces.push(piece);
      continue;
    }
    if (elapsedMs < dueMs && view.isPushExpected(slice)) continue;
    // members know each other in the same order: without a hash all would ask the oldest one
    const from = leastBusy(view.holders(piece), busy, (k) => rank(piece, k, you));
    if (from === null) continue;
    newRequests.set(from, (newRequests.get(from) ?? 0) + 1);
    requests.push({ piece, from });
  }
  return { requests, successorPieces };
}

/** @param place decides between members that are as busy, by their number */
function leastBusy(
  ids: readonly MemberId[],
  busy: (id: MemberId) => number,
  place: (k: number) => number,
): MemberId | null {
  const free = ids.map((id, k) => ({ id, load: busy(id), place: place(k) }));
  const [best] = free
    .filter(({ load }) => load < MAX_REQUESTS)
    .sort((a, b) => a.load - b.load || a.place - b.place);
  return best?.id ?? null;
}
