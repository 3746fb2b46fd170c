/** What can go wrong with a running picture, and is noticed: sleep, stalls, media errors. No I/O. */

/** Nothing was played for so long, and nobody looked. */
const MIN_SLEEP_MS = 10_000;
/** Seconds: who slept and is later than this jumps to live rather than catch up. */
export const MAX_CATCH_UP_S = 8;

/** Notices that the laptop was closed, or the tab frozen: who slept is not late on purpose. */
export class SleepDetector {
  #checkedAt: number;
  #positionS = 0;
  #slept = false;

  /** @param wallMs the wall clock, which goes on in a sleeping laptop */
  constructor(wallMs: number) {
    this.#checkedAt = wallMs;
  }

  /** Looks; to be called every second or so. */
  check(wallMs: number, positionS: number, paused: boolean): void {
    const passedMs = wallMs - this.#checkedAt;
    const playedMs = (positionS - this.#positionS) * 1000;
    this.#checkedAt = wallMs;
    this.#positionS = positionS;
    if (passedMs > MIN_SLEEP_MS && playedMs < passedMs / 2 && !paused) this.#slept = true;
  }

  /** Whether it slept; says so once. */
  takeSlept(): boolean {
    const slept = this.#slept;
    this.#slept = false;
    return slept;
  }
}

/**
 * Calls `stalled` once whenever a running picture breaks off. Start-up, a pause and a seek are no
 * stalls, nor is the wait that follows them.
 *
 * @param expected whether there should be a picture now
 */
export function watchStalls(
  video: EventTarget,
  expected: () => boolean,
  onStall: () => void,
): void {
  let running = false;
  const stop = (): void => {
    running = false;
  };
  const onBreak = (): void => {
    if (running && expected()) onStall();
    stop();
  };
  video.addEventListener("playing", () => {
    running = true;
  });
  for (const type of ["pause", "seeking", "ended"]) video.addEventListener(type, stop);
  // emptied: the player was loaded anew under the viewer's eyes
  for (const type of ["waiting", "emptied"]) video.addEventListener(type, onBreak);
}

/** Two within this time: the decoder will not recover by itself. */
const RECOVERY_MS = 5_000;
/** So many are recovered from in place; then all begins anew, at growing intervals. */
const MAX_RECOVERIES = 3;
/** After so long without one they are counted anew. */
const CALM_MS = 60_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;

/** What to do about a media error: segments may load well while none can be decoded. */
export class MediaErrorPolicy {
  #at = -Infinity;
  #count = 0;

  /** Returns after how long to begin anew, ms; null: recover in place. */
  onError(now: number): number | null {
    const sinceMs = now - this.#at;
    this.#at = now;
    this.#count = sinceMs > CALM_MS ? 1 : this.#count + 1;
    if (sinceMs > RECOVERY_MS && this.#count <= MAX_RECOVERIES) return null;
    return Math.min(MAX_RELOAD_MS, FIRST_RELOAD_MS * 2 ** (this.#count - 2));
  }
}
