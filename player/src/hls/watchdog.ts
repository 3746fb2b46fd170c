/** Detects what can stop a running picture: sleep, stalls, media errors. No I/O. */

/** A gap this long between two checks, with nothing played, means that the device slept. */
const MIN_SLEEP_MS = 10_000;
/** After sleep, a viewer later than this jumps to live instead of catching up. */
export const MAX_CATCH_UP_S = 8;

/** Detects that the laptop was closed or the tab frozen: such a viewer is not late on purpose. */
export class SleepDetector {
  #checkedAt: number;
  #positionS = 0;
  #slept = false;

  /** @param wallMs wall-clock time, which advances while a laptop sleeps */
  constructor(wallMs: number) {
    this.#checkedAt = wallMs;
  }

  /** To be called about once a second. */
  check(wallMs: number, positionS: number, paused: boolean): void {
    const passedMs = wallMs - this.#checkedAt;
    const playedMs = (positionS - this.#positionS) * 1000;
    this.#checkedAt = wallMs;
    this.#positionS = positionS;
    if (passedMs > MIN_SLEEP_MS && playedMs < passedMs / 2 && !paused) this.#slept = true;
  }

  /** Returns whether it slept since the last call. */
  takeSlept(): boolean {
    const slept = this.#slept;
    this.#slept = false;
    return slept;
  }
}

/**
 * Calls `onStall` each time a running picture breaks off. Start-up, pauses and seeks, and the
 * waiting that follows them, do not count.
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
  // emptied: the player was reloaded while the viewer was watching
  for (const type of ["waiting", "emptied"]) video.addEventListener(type, onBreak);
}

/** Two errors within this time: the decoder does not recover in place. */
const RECOVERY_MS = 5_000;
/** Errors to recover from in place; after that the player is reloaded, at growing intervals. */
const MAX_RECOVERIES = 3;
/** The count starts over after this long without an error. */
const CALM_MS = 60_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;

/** How to handle media errors: segments may load fine while none can be decoded. */
export class MediaErrorPolicy {
  #at = -Infinity;
  #count = 0;

  /** Returns the delay before a reload, ms; null: recover in place. */
  onError(now: number): number | null {
    const sinceMs = now - this.#at;
    this.#at = now;
    this.#count = sinceMs > CALM_MS ? 1 : this.#count + 1;
    if (sinceMs > RECOVERY_MS && this.#count <= MAX_RECOVERIES) return null;
    return Math.min(MAX_RELOAD_MS, FIRST_RELOAD_MS * 2 ** (this.#count - 2));
  }
}
