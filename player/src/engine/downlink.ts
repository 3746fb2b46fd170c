/** How fast this viewer's link brings what it receives. No I/O.
 *
 * Peers send at their own pace, which says nothing of this link; the store sends as fast as the link
 * takes it. So the link is measured while the store sends, with all that comes meanwhile.
 */

/** A longer pause between two chunks of the store's ends the transfer. */
const MAX_GAP_MS = 250;
/** A measurement takes so many bytes, or so much time. */
const SAMPLE_BYTES = 256 * 1024;
const SAMPLE_MS = 400;
const NEWEST_WEIGHT = 0.5;

export class Downlink {
  /** averaged as time, so that a link that has become slow is believed at once */
  #msPerByte: number | null = null;
  /** when the store's last chunk came, ms */
  #chunkAt = -Infinity;
  #sinceChunk = 0;
  #bytes = 0;
  #ms = 0;

  /** bit/s; null until the store has sent enough. */
  get bps(): number | null {
    return this.#msPerByte === null ? null : 8_000 / this.#msPerByte;
  }

  /**
   * A chunk of the store's came.
   *
   * @param now ms, monotonic
   */
  fromStore(bytes: number, now: number): void {
    const gap = now - this.#chunkAt;
    // the first chunk was under way for nobody knows how long
    if (gap <= MAX_GAP_MS) {
      this.#bytes += this.#sinceChunk + bytes;
      this.#ms += gap;
    }
    this.#sinceChunk = 0;
    this.#chunkAt = now;
    if (this.#bytes >= SAMPLE_BYTES || this.#ms >= SAMPLE_MS) this.#sample();
  }

  /** Bytes of a peer came. */
  fromPeer(bytes: number): void {
    this.#sinceChunk += bytes;
  }

  #sample(): void {
    // chunks that were read in one go took some time nevertheless
    const msPerByte = Math.max(1, this.#ms) / this.#bytes;
    const known = this.#msPerByte ?? msPerByte;
    this.#msPerByte = known + NEWEST_WEIGHT * (msPerByte - known);
    this.#bytes = this.#ms = 0;
  }
}
