/**
 * Whether this viewer is interested in pieces. Tells the members, so that none push pieces it has
 * no use for.
 */

import type { Mesh } from "../webrtc/mesh";
import type { MemberId, Sequence, Variant } from "../protocol/messages";
import { encodeInterest } from "../protocol/frames";

/** A viewer that pauses for less than this will continue where it stopped. */
const MAX_PAUSE_S = 30;
/**
 * A viewer farther behind the newest segment would have evicted today's pieces before playing them.
 */
const MAX_BEHIND_SEGMENTS = 8;

export interface InterestSignalOptions {
  mesh: Mesh;
  /** the variant this viewer plays */
  variant: () => Variant;
  /** seconds since the viewer paused; 0 during playback */
  pausedS: () => number;
}

export class InterestSignal {
  interested = true;
  #options: InterestSignalOptions;
  #newest: Sequence = 0;

  constructor(options: InterestSignalOptions) {
    this.#options = options;
  }

  /**
   * Check whether this viewer is interested, and tell the members if that has changed.
   *
   * @param newest the newest announced segment
   * @param playhead the segment that the player requested last; null before the first
   */
  update(newest: Sequence, playhead: Sequence | null): void {
    this.#newest = newest;
    const near = newest - (playhead ?? newest) <= MAX_BEHIND_SEGMENTS;
    const interested = near && this.#options.pausedS() < MAX_PAUSE_S;
    if (interested === this.interested) return;
    this.interested = interested;
    for (const id of this.#options.mesh.linked) this.#send(id);
  }

  /** A link opened. Its member assumes that this viewer is interested. */
  onLinkOpened(id: MemberId): void {
    if (!this.interested) this.#send(id);
  }

  #send(id: MemberId): void {
    const type = this.interested ? "want" : "pause";
    this.#options.mesh.send(id, encodeInterest(type, this.#options.variant(), this.#newest));
  }
}
