/**
 * Makes hls.js reload the playlist when a segment is announced. By its own timer it reloads once
 * per segment, at a phase set by its first load: up to a segment later than other viewers, with
 * that much less buffered, although it believes that its latency is the same.
 */

import { Events } from "hls.js";
import type Hls from "hls.js";

/** hls.js's own timer takes over this many target durations later, if announcements stop. */
const FALLBACK_TARGETS = 1.5;
/** An edge cache may still serve the playlist of a second ago. */
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

  /** A segment of the variant being played was announced, by its media sequence. */
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
