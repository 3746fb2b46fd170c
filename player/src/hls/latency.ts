/** How far behind live to play, and the playback rate that keeps a viewer there. */

import type Hls from "hls.js";
import { deadlineS } from "../engine/deadline";

/** Until a segment's completion has been measured. */
const INITIAL_COMPLETION_S = 1;
/** Spare time, in target durations: enough to notice that the store is quiet and ask the seed. */
const SPARE_SEGMENTS = 0.6;
/**
 * Limit for the room's completion time plus spare time, in target durations: the time spent waiting
 * for a slow room also covers other delays.
 */
const MAX_SPARE_SEGMENTS = 0.9;
/** More target durations than this would not help: the room itself is too slow. */
const MAX_SEGMENTS = 4;
/** Smaller changes of the target latency are ignored. */
export const MIN_LATENCY_CHANGE_S = 0.25;

/**
 * Returns the target latency in seconds: one segment more than is loaded when the next is
 * published, the deadline at which the player would turn to the store, and the time that the room
 * needs to complete a segment, with some to spare.
 *
 * @param targetS the playlist's target duration
 * @param completionMs completion time of the slowest recent segment; null if unknown
 */
export function targetLatencyS(targetS: number, completionMs: number | null): number {
  const completionS = completionMs === null ? INITIAL_COMPLETION_S : completionMs / 1000;
  const spareS = Math.min(completionS + SPARE_SEGMENTS * targetS, MAX_SPARE_SEGMENTS * targetS);
  const latencyS = targetS + deadlineS(targetS) + Math.max(completionS, spareS);
  return Math.min(MAX_SEGMENTS * targetS, latencyS);
}

/** Sets hls.js's target latency if it changed; the playback rate then moves the viewer there. */
export function setTargetLatency(hls: Hls, completionMs: number | null): void {
  const targetS = hls.latestLevelDetails?.targetduration;
  if (targetS === undefined) return;
  const latencyS = targetLatencyS(targetS, completionMs);
  const { liveSyncDuration = 0 } = hls.config;
  if (Math.abs(latencyS - liveSyncDuration) >= MIN_LATENCY_CHANGE_S) hls.targetLatency = latencyS;
}

/** Inaudible. */
const CATCH_UP_RATE = 1.05;
const FALL_BACK_RATE = 0.95;
/** Barely audible, and soon over. */
const FAR_RATE = 1.1;
const FAR_LATENCY_S = 2;
const START_AT_S = 0.3;
const STOP_AT_S = 0.1;
/** A viewer that is farther behind than this after a seek or a pause wants to be there. */
const DELIBERATE_S = 3;
/** With less buffered, the buffer matters more than the latency. */
const MIN_BUFFER_S = 3;

/** Keeps a viewer at the target latency by imperceptible changes of the playback rate. (hls.js does
 * so only for low-latency streams, and only to catch up.) */
export class RateController {
  /** the viewer sought, or resumed after a pause, since the last call of `rate` */
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

  /** Returns the playback rate to use; parameters as for `playbackRate`. */
  rate(excessLatencyS: number, bufferedS: number, rate: number): number {
    if (this.#jumped) this.#deliberate = excessLatencyS > DELIBERATE_S;
    this.#jumped = false;
    return this.#deliberate ? 1 : playbackRate(excessLatencyS, bufferedS, rate);
  }
}

/**
 * Returns the playback rate that brings a viewer to the target latency. One that is closer to live
 * than the target (a new stream has no older segments to start from) would be the first to stall.
 *
 * @param excessLatencyS latency minus target latency, seconds; -Infinity if unknown
 * @param bufferedS seconds buffered ahead of the playback position
 * @param rate the current playback rate
 */
export function playbackRate(excessLatencyS: number, bufferedS: number, rate: number): number {
  if (excessLatencyS === -Infinity) return 1;
  if (excessLatencyS < -(rate < 1 ? STOP_AT_S : START_AT_S)) return FALL_BACK_RATE;
  if (bufferedS < MIN_BUFFER_S) return 1;
  if (excessLatencyS > FAR_LATENCY_S) return FAR_RATE;
  return excessLatencyS > (rate > 1 ? STOP_AT_S : START_AT_S) ? CATCH_UP_RATE : 1;
}
