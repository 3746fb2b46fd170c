/** The quality menu's list: hls.js's levels in the form that media-chrome reads from the media
 * element (`videoRenditions`). */

import type Hls from "hls.js";
import { Events } from "hls.js";

export interface Rendition {
  id: string;
  width: number;
  height: number;
  bitrate: number;
}

type Levels = Pick<Hls, "levels" | "on"> & { nextLevel: number; loadLevel: number };

export class Renditions extends EventTarget {
  readonly [index: number]: Rendition;
  length = 0;
  #hls: Levels | null = null;
  /** the viewer's choice, by picture height; null: automatic */
  #chosen: number | null = null;

  /** Follows a new instance of hls.js; the viewer's choice applies to it too. */
  follow(hls: Levels): void {
    this.#hls = hls;
    hls.on(Events.MANIFEST_PARSED, () => {
      this.#refresh();
      const index = this.selectedIndex;
      if (index >= 0) hls.loadLevel = index;
    });
    hls.on(Events.LEVELS_UPDATED, () => {
      this.#refresh();
    });
  }

  /** -1: automatic */
  get selectedIndex(): number {
    const all = Array.from<Rendition>(this);
    return all.findIndex(({ height }) => height === this.#chosen);
  }
  set selectedIndex(index: number) {
    this.#chosen = this[index]?.height ?? null;
    if (this.#hls) this.#hls.nextLevel = this.selectedIndex;
    this.dispatchEvent(new Event("change"));
  }

  *[Symbol.iterator](): Iterator<Rendition> {
    for (let index = 0; index < this.length; index += 1) {
      const rendition = this[index];
      if (rendition) yield rendition;
    }
  }

  #refresh(): void {
    const found = (this.#hls?.levels ?? []).map(({ width, height, bitrate }, index) => ({
      ...{ id: String(index), width, height, bitrate },
    }));
    // a single one is not a choice; without sizes there are no names
    const all = found.length > 1 && found.every(({ height }) => height > 0) ? found : [];
    const own = this as unknown as Record<number, Rendition>;
    for (let index = 0; index < Math.max(this.length, all.length); index += 1) {
      const rendition = all[index];
      if (rendition) own[index] = rendition;
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- as an array would
      else delete own[index];
    }
    const fewer = all.length < this.length;
    this.length = all.length;
    this.dispatchEvent(new Event(fewer ? "removerendition" : "addrendition"));
    // the chosen one may be gone: hls.js then chooses automatically
    this.dispatchEvent(new Event("change"));
  }
}
