/**
 * Has hls.js load the playlist when a segment was announced. By its own clock it looks once a
 * segment, at whatever moment its first look was: up to a segment's length after the others, with
 * as much less in its buffer, while it believes that it is as far behind live as they are.
 */

import { Events } from "hls.js";
import type Hls from "hls.js";

/** Its own clock goes on so many target durations after that: when nothing is announced any more. */
const FALLBACK_TARGETS = 1.5;
/** An edge may still have the playlist of a second ago. */
const RETRY_MS = 400;
const MAX_ATTEMPTS = 4;

export class PlaylistRefresh {
  #hls: Hls;
  #now: () => number;
  #newest = -1;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(hls: Hls, now: () => number = () => performance.now()) {
    this.#hls = hls;
    this.#now = now;
  }

  /** A segment of the rendition that is played was announced, by its media sequence number. */
  onPublished(sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#attempts = 0;
    this.#load();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #load(): void {
    clearTimeout(this.#timer);
    const level = this.#hls.levels[this.#hls.loadLevel];
    const details = level?.details;
    if (!level || !details?.live || details.endSN >= this.#newest) return;
    details.requestScheduled = this.#now() + FALLBACK_TARGETS * details.targetduration * 1000;
    this.#hls.trigger(Events.LEVEL_LOADING, {
      url: level.uri,
      level: this.#hls.loadLevel,
      levelInfo: level,
      pathwayId: level.attrs["PATHWAY-ID"],
      id: 0,
      deliveryDirectives: null,
    });
    this.#attempts += 1;
    if (this.#attempts < MAX_ATTEMPTS)
      this.#timer = setTimeout(() => {
        this.#load();
      }, RETRY_MS);
  }
}
