/** When to stop waiting for peers: what to request from the store now. Pure. */

import { rangesOf } from "./segment";
import type { PieceRange } from "../protocol/plan";
import type { Segment } from "./segment";

/** The player must have a segment this long before it runs dry, whatever the store takes; */
const MAX_DEADLINE_S = 1.6;
/** of short segments, which are repaired sooner, this part of their length. */
const DEADLINE_SEGMENTS = 0.65;
/** With a full buffer nobody is waited for longer than this. */
export const MAX_WAIT_S = 10;

/** A room whose uplinks are short is waited for so long, in lengths of the segment: it needs the rest
 * of the time for the next one, and a viewer who waits longer plays farther behind and is later yet. */
const PEER_DEADLINE_SEGMENTS = 0.95;

/** What is known of a segment that the player waits for. */
export interface SegmentNeed {
  /** how long the segment plays, seconds */
  durationS: number;
  /** seconds until the player runs dry without it; 0 at start-up and after a seek */
  bufferedS: number;
  /** seconds since the player asked for it */
  waitedS: number;
  /** pieces that are not here, ascending */
  missing: readonly number[];
  /** whether a request to the store is already bringing this piece */
  hasStoreAttempt: (piece: number) => boolean;
  /** whether a peer can still be expected to bring this piece */
  isExpected: (piece: number) => boolean;
  /** whether peers bring as much as this viewer's link carries */
  downlinkFull: boolean;
  /** estimated seconds for the store to deliver that many pieces */
  storeEstimateS: (pieces: number) => number;
}

export interface FetchDecision {
  /** what to request from the store now */
  ranges: PieceRange[];
  /** whether pieces are among them that a peer should have brought by now */
  late: boolean;
}

/** Returns how long before the player runs dry a segment of this length must be there, seconds. */
export function deadlineS(durationS: number): number {
  return Math.min(MAX_DEADLINE_S, DEADLINE_SEGMENTS * durationS);
}

/** Whether a room whose uplinks are too weak for a part of a segment has had its time for it. */
export function isPastPeerDeadline(
  { slices, announcedAt, pieces, descriptor }: Segment,
  now: number,
): boolean {
  const shared = slices.reduce((sum, { first, end }) => sum + end - first, 0);
  const uplinksAreShort = shared > 0 && shared < pieces.count;
  const elapsedS = (now - (announcedAt ?? now)) / 1000;
  return uplinksAreShort && elapsedS >= PEER_DEADLINE_SEGMENTS * descriptor.duration;
}

/**
 * Pieces that nobody will bring are requested at once; those a peer is expected to bring when the
 * deadline comes: so long, and what the store needs for them, before the player runs dry. Where the
 * link is what they wait for, they would only be on it twice.
 */
export function decideFetches(need: SegmentNeed): FetchDecision {
  const unrequested = need.missing.filter((piece) => !need.hasStoreAttempt(piece));
  const deadlineReached =
    need.bufferedS <= deadlineS(need.durationS) + need.storeEstimateS(unrequested.length);
  const due = (deadlineReached && !need.downlinkFull) || need.waitedS >= MAX_WAIT_S;
  const toFetch = due ? unrequested : unrequested.filter((piece) => !need.isExpected(piece));
  return { ranges: rangesOf(toFetch), late: toFetch.some(need.isExpected) };
}
