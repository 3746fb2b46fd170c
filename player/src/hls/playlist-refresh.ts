/**
 * Has hls.js load the playlist when a segment was announced. By its own clock it looks once a
 * segment, at whatever moment its first look was: up to a segment's length after the others, with
 * as much less in its buffer, while it believes that it is as far behind live as they are.
 */

import { Events } from "hls.js";
import type Hls from "hls.js";

/** Its own clock goes on so many target durations after that: when nothing is announced any more. */
const CLOCK_TARGETS = 1.5;
/** An edge may still have the playlist of a second ago. */
const AGAIN_MS = 400;
const MAX_LOOKS = 4;

export class Refresh {
  #hls: Hls;
  #now: () => number;
  #newest = -1;
  #looks = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(hls: Hls, now: () => number = () => performance.now()) {
    this.#hls = hls;
    this.#now = now;
  }

  /** A segment of the rendition that is played was announced, by its media sequence number. */
  announced(sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#looks = 0;
    this.#look();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const level = this.#hls.levels[this.#hls.loadLevel];
    const details = level?.details;
    if (!level || !details?.live || details.endSN >= this.#newest) return;
    details.requestScheduled = this.#now() + CLOCK_TARGETS * details.targetduration * 1000;
    this.#hls.trigger(Events.LEVEL_LOADING, {
      url: level.uri,
      level: this.#hls.loadLevel,
      levelInfo: level,
      pathwayId: level.attrs["PATHWAY-ID"],
      id: 0,
      deliveryDirectives: null,
    });
    this.#looks += 1;
    if (this.#looks < MAX_LOOKS)
      this.#timer = setTimeout(() => {
        this.#look();
      }, AGAIN_MS);
  }
}
