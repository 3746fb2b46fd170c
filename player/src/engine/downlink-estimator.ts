/** How fast this viewer's link brings what it receives. No I/O.
 *
 * Peers send at their own pace, which says nothing of this link; the store sends as fast as the link
 * takes it. So the link is measured while the store sends, with all that comes meanwhile.
 */

/** A store that sends nothing for so long is the trouble itself. */
const MAX_GAP_MS = 1_000;
/** A measurement takes so many bytes, or so much time. */
const SAMPLE_BYTES = 256 * 1024;
const SAMPLE_MS = 400;
const NEWEST_WEIGHT = 0.5;
/** What peers send is counted for so long, or twice that. */
const PEER_WINDOW_MS = 500;
/** Peers that bring so much of what the link carries leave no room for others. */
const FULL_FRACTION = 0.5;

export class DownlinkEstimator {
  /** averaged as time, so that a link that has become slow is believed at once */
  #msPerByte: number | null = null;
  /** requests that the store is answering */
  #openResponses = 0;
  /** when the store's last chunk came, and until when bytes are counted, ms */
  #chunkAt = 0;
  #countedTo = 0;
  #uncounted = 0;
  #bytes = 0;
  #ms = 0;
  /** what peers have sent since a moment, and in the time before */
  #peerWindow = { since: 0, bytes: 0, before: 0 };

  /**
   * What the link carries, bit/s; null until the store has sent enough.
   *
   * @param now ms, monotonic
   */
  bps(now: number): number | null {
    if (now - this.#countedTo >= SAMPLE_MS) this.#measure(now);
    return this.#msPerByte === null ? null : 8_000 / this.#msPerByte;
  }

  /** The store has begun to answer a request: nobody knows how long its first chunk was under way. */
  responseStarted(now: number): void {
    if (this.#openResponses === 0)
      [this.#chunkAt, this.#countedTo, this.#uncounted] = [now, now, 0];
    this.#openResponses += 1;
  }

  responseEnded(): void {
    this.#openResponses -= 1;
  }

  addStoreBytes(bytes: number, now: number): void {
    this.#uncounted += bytes;
    this.#measure(now);
    this.#chunkAt = now;
  }

  addPeerBytes(bytes: number, now: number): void {
    this.#uncounted += bytes;
    this.#rotatePeerWindow(now);
    this.#peerWindow.bytes += bytes;
  }

  /** Whether it is this link that pieces wait for: nobody else would bring them sooner. */
  isFull(now: number): boolean {
    const bps = this.bps(now);
    if (bps === null) return false;
    this.#rotatePeerWindow(now);
    const { since, bytes, before } = this.#peerWindow;
    return (bytes + before) * 8_000 >= FULL_FRACTION * bps * (now - since + PEER_WINDOW_MS);
  }

  #rotatePeerWindow(now: number): void {
    const { since, bytes } = this.#peerWindow;
    const passed = now - since;
    if (passed < PEER_WINDOW_MS) return;
    this.#peerWindow = { since: now, bytes: 0, before: passed < 2 * PEER_WINDOW_MS ? bytes : 0 };
  }

  #measure(now: number): void {
    if (this.#openResponses > 0 && now - this.#chunkAt <= MAX_GAP_MS) {
      // silence counts when something has ended it
      if (this.#uncounted === 0) return;
      this.#bytes += this.#uncounted;
      this.#ms += now - this.#countedTo;
    }
    this.#countedTo = now;
    this.#uncounted = 0;
    if (this.#bytes >= SAMPLE_BYTES || this.#ms >= SAMPLE_MS) this.#addSample();
  }

  #addSample(): void {
    // chunks that were read in one go took some time nevertheless
    const msPerByte = Math.max(1, this.#ms) / this.#bytes;
    const known = this.#msPerByte ?? msPerByte;
    this.#msPerByte = known + NEWEST_WEIGHT * (msPerByte - known);
    this.#bytes = this.#ms = 0;
  }
}
