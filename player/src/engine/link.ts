/** One open data channel to one member, with a bounded queue of pieces to send. */

import type { Descriptor } from "./protocol";
import { encodePiece } from "./wire";

/**
 * Bytes that may lie in the channel's own buffer, one piece more at most. What lies there cannot be
 * taken back, and there are up to 31 channels before one uplink.
 */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Pieces waiting here are views of segments in memory; what does not fit is left to the store. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** `bufferedamountlow` is not fired by every implementation, so the buffer is looked at as well. */
const POLL_MS = 50;

/** A piece in the queue. */
export interface Waiting {
  descriptor: Descriptor;
  index: number;
  bytes: Uint8Array;
  /** asked when its turn comes: what its receiver has by then would only delay the next ones */
  wanted: () => boolean;
}

export class Link {
  #channel: RTCDataChannel;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param channel an open channel
   * @param openedAt when it opened, ms
   * @param onSent told of payload bytes as they are handed to the channel
   */
  constructor(
    channel: RTCDataChannel,
    readonly openedAt: number,
    private readonly onSent: (bytes: number) => void,
  ) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = MAX_BUFFERED_BYTES / 2;
    channel.onbufferedamountlow = () => {
      this.#drain();
    };
  }

  /**
   * Send a piece, or queue it behind others.
   *
   * @returns false if the queue is full: this member will miss the piece
   */
  sendPiece(piece: Waiting): boolean {
    const { byteLength } = piece.bytes;
    if (this.#queuedBytes + byteLength > MAX_QUEUED_BYTES) return false;
    this.#queue.push(piece);
    this.#queuedBytes += byteLength;
    this.#drain();
    return true;
  }

  /** Send a small frame, past the pieces that wait. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#channel.readyState === "open") this.#channel.send(frame);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
    this.#channel.onbufferedamountlow = null;
  }

  #drain(): void {
    clearTimeout(this.#timer);
    while (this.#channel.readyState === "open") {
      if (this.#channel.bufferedAmount >= MAX_BUFFERED_BYTES) {
        this.#timer = setTimeout(() => {
          this.#drain();
        }, POLL_MS);
        return;
      }
      const next = this.#queue.shift();
      if (!next) return;
      const { descriptor, index, bytes, wanted } = next;
      this.#queuedBytes -= bytes.byteLength;
      if (!wanted()) continue;
      for (const frame of encodePiece(descriptor.variant, descriptor.sequence, index, bytes))
        this.#channel.send(frame);
      this.onSent(bytes.byteLength);
    }
  }
}
