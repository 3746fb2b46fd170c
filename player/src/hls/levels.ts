/** Which rendition to play: one that the link carries with something to spare, and not often another. Pure. */

import type { Missing } from "../engine/player-requests";

/** What the link must carry of a rendition's rate to go up to it, to go down to it, to stay. */
const UP = 1.5;
const DOWN = 1.2;
const STAY = 1.1;
/** A room shares a rendition: who changes every moment is of use to nobody. */
const DWELL_S = 30;
/** What the room has not brought in time lately, it will not bring in a higher rate. */
const LATE_S = 15;
/** A segment on its way must be here so long before the picture stops. */
const MARGIN_S = 2;
/** With less than so many segments to play the picture is more important than the room. */
const SHORT_SEGMENTS = 1.5;

export interface LevelNeeds {
  /** seconds, monotonic */
  now: number;
  /** bit/s of each rendition, ascending */
  rates: readonly number[];
  /** index of the rendition that is played */
  current: number;
  /** when that was changed last, s; -Infinity: never */
  changedAt: number;
  /** what the link carries, bit/s */
  bps: number;
  /** seconds of video ahead of the playhead */
  bufferedS: number;
  /** a segment's duration */
  segmentS: number;
  /** when pieces had to be fetched because peers were late, s; -Infinity: never */
  lateAt: number;
}

/** Returns the index of the rendition to play. */
export function chooseLevel(needs: LevelNeeds): number {
  const { now, rates, current, changedAt, bps, bufferedS, segmentS, lateAt } = needs;
  const settled = now - changedAt >= DWELL_S;
  const rate = rates[current] ?? 0;
  if (rate * STAY > bps) {
    const short = bufferedS < SHORT_SEGMENTS * segmentS;
    return settled || short ? Math.min(current, highest(rates, bps / DOWN)) : current;
  }
  if (!settled || now - lateAt < LATE_S) return current;
  return Math.max(current, highest(rates, bps / UP));
}

/** A segment on its way. */
export interface Unfinished {
  /** what is missing of it, and how much of that peers bring, who have sent it already */
  missing: Missing;
  /** how large it is in a lower rendition, bytes */
  lowerBytes: number;
  bps: number;
  bufferedS: number;
}

/**
 * Whether to give up a segment and take it in a lower rendition: the picture would stop before it is
 * here, or soon after, and the other one would be here sooner, behind what peers have sent.
 */
export function isHopeless({ missing, lowerBytes, bps, bufferedS }: Unfinished): boolean {
  if ((8 * missing.all) / bps <= bufferedS - MARGIN_S) return false;
  return missing.expected + lowerBytes < missing.all;
}

function highest(rates: readonly number[], limit: number): number {
  return Math.max(
    0,
    rates.findLastIndex((rate) => rate <= limit),
  );
}
