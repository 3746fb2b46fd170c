/** Whether this viewer takes pieces from others; members are told, so that none are pushed in vain. */

import type { Mesh } from "../webrtc/mesh";
import type { MemberId, Sequence, Variant } from "../protocol/messages";
import { encodeInterest } from "../protocol/frames";

/** Who pauses for a moment goes on where it was. */
const MAX_PAUSE_S = 30;
/** Segments behind the newest one; who plays farther behind would lose from memory what comes now. */
const MAX_BEHIND_SEGMENTS = 8;

export interface InterestSignalOptions {
  mesh: Mesh;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** seconds since the viewer paused; 0 while it plays */
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
   * See whether pieces are welcome now.
   *
   * @param newest the newest segment
   * @param playhead the one that the player asked for last, null before the first
   */
  update(newest: Sequence, playhead: Sequence | null): void {
    this.#newest = newest;
    const near = newest - (playhead ?? newest) <= MAX_BEHIND_SEGMENTS;
    const interested = near && this.#options.pausedS() < MAX_PAUSE_S;
    if (interested === this.interested) return;
    this.interested = interested;
    for (const id of this.#options.mesh.linked) this.#send(id);
  }

  /** A link is there; its member takes a newcomer to be hungry. */
  onLinkOpened(id: MemberId): void {
    if (!this.interested) this.#send(id);
  }

  #send(id: MemberId): void {
    const type = this.interested ? "want" : "pause";
    this.#options.mesh.send(id, encodeInterest(type, this.#options.variant(), this.#newest));
  }
}
