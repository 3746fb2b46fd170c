/** How far behind live to play. */

import type Hls from "hls.js";
import { deadlineS } from "../engine/deadline";

/** Until it was measured. */
const INITIAL_COMPLETION_S = 1;
/** Beside a segment's length: a store that falls silent is noticed, and its seed asked, meanwhile. */
const SPARE_SEGMENTS = 0.6;
/** What the room needs, and what is to spare, are together no more than this: who waits for a slow
 * room has that time for whatever else takes long. */
const MAX_SPARE_SEGMENTS = 0.9;
/** More target durations than these help nobody: then the room is the trouble. */
const MAX_SEGMENTS = 4;
/** A delay that differs by less stays as it is. */
export const MIN_DELAY_CHANGE_S = 0.25;

/**
 * Returns seconds: a segment more than has been loaded when the next one is published, what the room
 * needs to bring that before the player would take it from the store, and a part of one to spare.
 *
 * @param targetS the playlist's target duration
 * @param completionMs how long the slowest of the last segments took; null if unknown
 */
export function liveDelayS(targetS: number, completionMs: number | null): number {
  const completionS = completionMs === null ? INITIAL_COMPLETION_S : completionMs / 1000;
  const spareS = Math.min(completionS + SPARE_SEGMENTS * targetS, MAX_SPARE_SEGMENTS * targetS);
  const delayS = targetS + deadlineS(targetS) + Math.max(completionS, spareS);
  return Math.min(MAX_SEGMENTS * targetS, delayS);
}

/** Tells hls.js, where the delay has changed: who is elsewhere plays a little faster or slower. */
export function setDelay(hls: Hls, completionMs: number | null): void {
  const targetS = hls.latestLevelDetails?.targetduration;
  if (targetS === undefined) return;
  const delayS = liveDelayS(targetS, completionMs);
  const { liveSyncDuration = 0 } = hls.config;
  if (Math.abs(delayS - liveSyncDuration) >= MIN_DELAY_CHANGE_S) hls.targetLatency = delayS;
}
