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
export const MIN_LATENCY_CHANGE_S = 0.25;

/**
 * Returns seconds: a segment more than has been loaded when the next one is published, what the room
 * needs to bring that before the player would take it from the store, and a part of one to spare.
 *
 * @param targetS the playlist's target duration
 * @param completionMs how long the slowest of the last segments took; null if unknown
 */
export function targetLatencyS(targetS: number, completionMs: number | null): number {
  const completionS = completionMs === null ? INITIAL_COMPLETION_S : completionMs / 1000;
  const spareS = Math.min(completionS + SPARE_SEGMENTS * targetS, MAX_SPARE_SEGMENTS * targetS);
  const latencyS = targetS + deadlineS(targetS) + Math.max(completionS, spareS);
  return Math.min(MAX_SEGMENTS * targetS, latencyS);
}

/** Tells hls.js, where the delay has changed: who is elsewhere plays a little faster or slower. */
export function setTargetLatency(hls: Hls, completionMs: number | null): void {
  const targetS = hls.latestLevelDetails?.targetduration;
  if (targetS === undefined) return;
  const latencyS = targetLatencyS(targetS, completionMs);
  const { liveSyncDuration = 0 } = hls.config;
  if (Math.abs(latencyS - liveSyncDuration) >= MIN_LATENCY_CHANGE_S) hls.targetLatency = latencyS;
}

/** These are not heard. */
const CATCH_UP_RATE = 1.05;
const FALL_BACK_RATE = 0.95;
/** This is hardly heard, and soon over. */
const FAR_RATE = 1.1;
const FAR_LATENCY_S = 2;
const START_AT_S = 0.3;
const STOP_AT_S = 0.1;
/** Who jumped or paused, and is farther behind after that, wants to be there. */
const DELIBERATE_S = 3;
/** Below that the buffer is worth more than being live. */
const MIN_BUFFER_S = 3;

/** Keeps a viewer as far behind live as the page would be by itself, unnoticed. (hls.js does this
 * for low-latency streams only, and only against falling behind.) */
export class RateController {
  /** the viewer has jumped, or gone on after a pause, since it was last looked at */
  #jumped = false;
  #deliberate = false;

  constructor(video: EventTarget, signal: AbortSignal) {
    let paused = false;
    const on = (type: string, listener: () => void): void => {
      video.addEventListener(type, listener, { signal });
    };
    on("pause", () => (paused = true));
    on("playing", () => {
      this.#jumped ||= paused;
      paused = false;
    });
    on("seeked", () => (this.#jumped = true));
  }

  /** Returns the speed to play at; parameters as for `liveRate`. */
  rate(excessLatencyS: number, bufferedS: number, rate: number): number {
    if (this.#jumped) this.#deliberate = excessLatencyS > DELIBERATE_S;
    this.#jumped = false;
    return this.#deliberate ? 1 : playbackRate(excessLatencyS, bufferedS, rate);
  }
}

/**
 * Returns the speed to play at for who wants to be live. Who is nearer to live than the others (a
 * stream that has just begun has no older segments to begin with) would be the first to run dry.
 *
 * @param excessLatencyS seconds farther behind live than the page would be by itself; -Infinity if unknown
 * @param bufferedS seconds of video ahead of the playhead
 * @param rate the speed now
 */
export function playbackRate(excessLatencyS: number, bufferedS: number, rate: number): number {
  if (excessLatencyS === -Infinity) return 1;
  if (excessLatencyS < -(rate < 1 ? STOP_AT_S : START_AT_S)) return FALL_BACK_RATE;
  if (bufferedS < MIN_BUFFER_S) return 1;
  if (excessLatencyS > FAR_LATENCY_S) return FAR_RATE;
  return excessLatencyS > (rate > 1 ? STOP_AT_S : START_AT_S) ? CATCH_UP_RATE : 1;
}
