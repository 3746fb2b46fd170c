/**
 * The deadline: when to stop waiting for peers, and which pieces to fetch from the store then. No
 * I/O.
 */

import { rangesOf } from "./segment";
import type { PieceRange } from "../protocol/plan";
import type { Segment } from "./segment";

/** The player must have a segment this long before its buffer runs out, plus the store's time. */
const MAX_DEADLINE_S = 1.6;
/** Short segments are repaired sooner; for them it is this fraction of their duration. */
const DEADLINE_SEGMENTS = 0.65;
/** With a full buffer, the longest wait for peers. */
export const MAX_WAIT_S = 10;

/**
 * In a room with short uplinks peers get this fraction of the segment's duration. They need the
 * remainder for the next segment, and a viewer that waited longer would fall behind and be later
 * still.
 */
const PEER_DEADLINE_SEGMENTS = 0.95;

/** What is known of a segment that the player is waiting for. */
export interface SegmentNeed {
  /** the segment's duration, seconds */
  durationS: number;
  /** seconds of video ahead of the playhead; 0 at start-up and after a seek */
  bufferedS: number;
  /** seconds since the player requested it */
  waitedS: number;
  /** missing pieces, ascending */
  missing: readonly number[];
  /** whether the piece has a store attempt */
  hasStoreAttempt: (piece: number) => boolean;
  /** whether a peer may still deliver this piece */
  isExpected: (piece: number) => boolean;
  /** whether peers already fill the downlink */
  downlinkFull: boolean;
  /** estimated seconds for the store to deliver this many pieces */
  storeEstimateS: (pieces: number) => number;
}

export interface FetchDecision {
  /** pieces to request from the store now */
  ranges: PieceRange[];
  /** whether a peer should have delivered some of them by now */
  late: boolean;
}

/**
 * Returns how long before the buffer runs out a segment of this duration must be complete, seconds.
 */
export function deadlineS(durationS: number): number {
  return Math.min(MAX_DEADLINE_S, DEADLINE_SEGMENTS * durationS);
}

/** Whether a room whose uplinks are too short for the whole segment has used up its time. */
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
 * Decide which pieces to fetch from the store. Pieces that no peer will deliver are fetched at
 * once. The others are fetched at the deadline: when the buffer has just enough left for the store
 * to deliver them. While peers fill the downlink, a second copy would only slow down the first.
 */
export function decideFetches(need: SegmentNeed): FetchDecision {
  const unrequested = need.missing.filter((piece) => !need.hasStoreAttempt(piece));
  const deadlineReached =
    need.bufferedS <= deadlineS(need.durationS) + need.storeEstimateS(unrequested.length);
  const due = (deadlineReached && !need.downlinkFull) || need.waitedS >= MAX_WAIT_S;
  const toFetch = due ? unrequested : unrequested.filter((piece) => !need.isExpected(piece));
  return { ranges: rangesOf(toFetch), late: toFetch.some(need.isExpected) };
}
