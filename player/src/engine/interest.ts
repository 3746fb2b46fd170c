/** Whether this viewer takes pieces from others; members are told, so that none are pushed in vain. */

import type { Mesh } from "../webrtc/mesh";
import type { MemberId, Sequence, Variant } from "../protocol/messages";
import { encodeAppetite } from "../protocol/frames";

/** Who pauses for a moment goes on where it was. */
const MAX_PAUSE_S = 30;
/** Segments behind the newest one; who plays farther behind would lose from memory what comes now. */
const MAX_BEHIND = 8;

export interface AppetiteOptions {
  mesh: Mesh;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** seconds since the viewer paused; 0 while it plays */
  pausedS: () => number;
}

export class Appetite {
  hungry = true;
  #o: AppetiteOptions;
  #newest: Sequence = 0;

  constructor(options: AppetiteOptions) {
    this.#o = options;
  }

  /**
   * See whether pieces are welcome now.
   *
   * @param newest the newest segment
   * @param playhead the one that the player asked for last, null before the first
   */
  look(newest: Sequence, playhead: Sequence | null): void {
    this.#newest = newest;
    const near = newest - (playhead ?? newest) <= MAX_BEHIND;
    const hungry = near && this.#o.pausedS() < MAX_PAUSE_S;
    if (hungry === this.hungry) return;
    this.hungry = hungry;
    for (const id of this.#o.mesh.linked) this.#tell(id);
  }

  /** A link is there; its member takes a newcomer to be hungry. */
  greet(id: MemberId): void {
    if (!this.hungry) this.#tell(id);
  }

  #tell(id: MemberId): void {
    const type = this.hungry ? "want" : "pause";
    this.#o.mesh.send(id, encodeAppetite(type, this.#o.variant(), this.#newest));
  }
}
