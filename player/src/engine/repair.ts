/** How to repair late pieces: docs/protocol.md. No I/O. */

import { rank } from "../protocol/plan";
import type { MemberId } from "../protocol/messages";
import type { PlannedSlice } from "../room/room";

/** Open requests to one member at a time. */
const MAX_REQUESTS = 4;

/** What is known of an incomplete segment. */
export interface RepairView {
  you: MemberId;
  /** since the announcement */
  elapsedMs: number;
  expectedMs: number;
  slices: readonly PlannedSlice[];
  /** missing pieces without a live store attempt or an open request */
  missing: readonly number[];
  /** whether the owner, or a relay in its place, was to push this slice to this viewer */
  isPushExpected: (slice: PlannedSlice) => boolean;
  /** time since the member that pushes this slice last delivered anything, ms */
  quietMs: (slice: PlannedSlice) => number;
  /** linked members that have this piece */
  holders: (piece: number) => readonly MemberId[];
  /** how many interested members lack the piece; and how many there are */
  lackingCount: (piece: number) => number;
  interestedCount: number;
  /** open requests to a member */
  openRequests: (id: MemberId) => number;
}

export interface RepairDecision {
  requests: { piece: number; from: MemberId }[];
  /** pieces to fetch as a successor and push, ascending */
  successorPieces: number[];
}

/**
 * Decide how to repair late pieces. A late piece, or one that nobody was to push, is requested from
 * the least busy holder. If most members lack a piece when its owner is late, the first successor
 * fetches it; after the same time again, the second.
 *
 * A member that still delivers other pieces gets twice the time: where uplinks are short everybody
 * is slow, and sending anything twice makes that worse.
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
    const turn = slice.successors.indexOf(you);
    const isMyTurn = turn >= 0 && elapsedMs >= dueMs * (turn + 1);
    if (isMyTurn && 2 * view.lackingCount(piece) > interestedCount) {
      successorPieces.push(piece);
      continue;
    }
    if (elapsedMs < dueMs && view.isPushExpected(slice)) continue;
    // all members know the holders in the same order: without a hash they would all ask the same
    // one
    const from = leastBusy(view.holders(piece), busy, (index) => rank(piece, index, you));
    if (from === null) continue;
    newRequests.set(from, (newRequests.get(from) ?? 0) + 1);
    requests.push({ piece, from });
  }
  return { requests, successorPieces };
}

/** @param tieBreak breaks ties, by index in `ids` */
function leastBusy(
  ids: readonly MemberId[],
  busy: (id: MemberId) => number,
  tieBreak: (index: number) => number,
): MemberId | null {
  const free = ids.map((id, k) => ({ id, load: busy(id), order: tieBreak(k) }));
  const [best] = free
    .filter(({ load }) => load < MAX_REQUESTS)
    .sort((a, b) => a.load - b.load || a.order - b.order);
  return best?.id ?? null;
}
