/** Notices that the laptop was closed, or the tab frozen: who slept is not late on purpose. Pure. */

/** Nothing was played for so long, and nobody looked. */
const SLEPT_MS = 10_000;
/** Seconds: who slept and is later than this jumps to live rather than catch up. */
export const JUMP_AT_S = 8;

export class Sleep {
  #lookedAt: number;
  #positionS = 0;
  #slept = false;

  /** @param wallMs the wall clock, which goes on in a sleeping laptop */
  constructor(wallMs: number) {
    this.#lookedAt = wallMs;
  }

  /** Looks; to be called every second or so. */
  look(wallMs: number, positionS: number, paused: boolean): void {
    const passedMs = wallMs - this.#lookedAt;
    const playedMs = (positionS - this.#positionS) * 1000;
    this.#lookedAt = wallMs;
    this.#positionS = positionS;
    if (passedMs > SLEPT_MS && playedMs < passedMs / 2 && !paused) this.#slept = true;
  }

  /** Whether it slept; says so once. */
  takeSlept(): boolean {
    const slept = this.#slept;
    this.#slept = false;
    return slept;
  }
}
