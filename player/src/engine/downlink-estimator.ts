/**
 * Estimates the viewer's downlink. No I/O.
 *
 * Peers send at their own pace, which says nothing about this downlink; the store sends as fast as
 * the downlink allows. So the downlink is measured while the store is sending, and includes
 * everything else that arrives meanwhile.
 */

/** If the store sends nothing for this long, the store is the bottleneck. */
const MAX_GAP_MS = 1_000;
/** A sample takes this many bytes or this much time. */
const SAMPLE_BYTES = 256 * 1024;
const SAMPLE_MS = 400;
const NEWEST_WEIGHT = 0.5;
/** Peer bytes are counted over this window and the one before it. */
const PEER_WINDOW_MS = 500;
/** Peers that use this fraction of the downlink leave no room for others. */
const FULL_FRACTION = 0.5;

export class DownlinkEstimator {
  /** averaged as time per byte, so that a downlink that became slow is noticed at once */
  #msPerByte: number | null = null;
  /** responses that the store is sending */
  #openResponses = 0;
  /** when the store's last chunk arrived, and until when bytes have been measured, ms */
  #chunkAt = 0;
  #countedTo = 0;
  #uncounted = 0;
  #bytes = 0;
  #ms = 0;
  /** bytes from peers in the current window, and in the one before */
  #peerWindow = { since: 0, bytes: 0, before: 0 };

  /**
   * Estimated downlink, bit/s; null until the store has sent enough.
   *
   * @param now ms, monotonic
   */
  bps(now: number): number | null {
    if (now - this.#countedTo >= SAMPLE_MS) this.#measure(now);
    return this.#msPerByte === null ? null : 8_000 / this.#msPerByte;
  }

  /**
   * The store has begun to respond. Its first chunk is not counted: nobody knows how long it was
   * under way.
   */
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

  /** Whether peers fill the downlink. A second source would not bring their pieces any sooner. */
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
      // a gap counts once something has ended it
      if (this.#uncounted === 0) return;
      this.#bytes += this.#uncounted;
      this.#ms += now - this.#countedTo;
    }
    this.#countedTo = now;
    this.#uncounted = 0;
    if (this.#bytes >= SAMPLE_BYTES || this.#ms >= SAMPLE_MS) this.#addSample();
  }

  #addSample(): void {
    // chunks that were read together took some time nevertheless
    const msPerByte = Math.max(1, this.#ms) / this.#bytes;
    const previous = this.#msPerByte ?? msPerByte;
    this.#msPerByte = previous + NEWEST_WEIGHT * (msPerByte - previous);
    this.#bytes = this.#ms = 0;
  }
}
