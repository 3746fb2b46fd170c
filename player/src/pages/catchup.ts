/** Brings a viewer that fell behind back to the others, unnoticed. Pure. (hls.js does this for
 * low-latency streams only.) */

/** This is not heard. */
const CATCH_UP_RATE = 1.05;
/** This is hardly heard, and soon over. */
const FAR_RATE = 1.1;
const FAR_S = 2;
const BEGIN_AT_S = 0.5;
const END_AT_S = 0.1;
/** Who is farther behind went there on purpose. */
export const ON_PURPOSE_S = 8;
/** Below that the buffer is worth more than being live. */
const MIN_BUFFER_S = 3;

/**
 * Returns the speed to play at.
 *
 * @param lateS seconds farther behind live than the page would be by itself
 * @param bufferedS seconds of video ahead of the playhead
 * @param rate the speed now
 */
export function catchUpRate(lateS: number, bufferedS: number, rate: number): number {
  if (lateS > ON_PURPOSE_S || bufferedS < MIN_BUFFER_S) return 1;
  if (lateS > FAR_S) return FAR_RATE;
  return lateS > (rate > 1 ? END_AT_S : BEGIN_AT_S) ? CATCH_UP_RATE : 1;
}
