/** One open data channel to one member, with a bounded queue of pieces to send. */

import type { Metered } from "./uplink-estimator";
import type { Descriptor } from "../protocol/messages";
import { encodePiece } from "../protocol/frames";

/**
 * Bytes that may lie in the channel's own buffer, one piece more at most. What lies there cannot be
 * taken back, and there are up to 31 channels before one uplink.
 */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Pieces waiting here are views of segments in memory; what does not fit is left to the store. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** A piece in the queue. */
export interface Waiting {
  descriptor: Descriptor;
  index: number;
  bytes: Uint8Array;
  /** asked when its turn comes: what its receiver has by then would only delay the next ones */
  wanted: () => boolean;
}

export class Link implements Metered {
  #channel: RTCDataChannel;
  #queue: Waiting[] = [];
  #waiting = 0;
  #handed = 0;

  /**
   * @param channel an open channel
   * @param openedAt when it opened, ms
   * @param onWork told when there may be something to send
   * @param wireBytes what its connection has sent so far; null where nobody counts
   */
  constructor(
    channel: RTCDataChannel,
    readonly openedAt: number,
    private readonly onWork: () => void,
    readonly wireBytes: () => Promise<number | null>,
  ) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = MAX_BUFFERED_BYTES / 2;
    channel.onbufferedamountlow = onWork;
  }

  /** Bytes of pieces that wait here for their turn. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Bytes that the channel has taken and not sent. */
  get buffered(): number {
    return this.#channel.bufferedAmount;
  }
  /** Bytes of frames that the channel has sent. */
  get carried(): number {
    return this.#handed - this.buffered;
  }

  /**
   * Queue a piece.
   *
   * @returns false if the queue is full: this member will miss the piece
   */
  sendPiece(piece: Waiting): boolean {
    const { byteLength } = piece.bytes;
    if (this.#waiting + byteLength > MAX_QUEUED_BYTES) return false;
    this.#queue.push(piece);
    this.#waiting += byteLength;
    this.onWork();
    return true;
  }

  /**
   * Hand the next wanted piece to the channel, if that has room.
   *
   * @returns its bytes; 0 if there is none, or no room
   */
  sendNext(): number {
    while (this.#channel.readyState === "open" && this.buffered < MAX_BUFFERED_BYTES) {
      const next = this.#queue.shift();
      if (!next) return 0;
      const { descriptor, index, bytes, wanted } = next;
      this.#waiting -= bytes.byteLength;
      if (!wanted()) continue;
      for (const frame of encodePiece(descriptor.variant, descriptor.sequence, index, bytes))
        this.send(frame);
      return bytes.byteLength;
    }
    return 0;
  }

  /** Send a small frame, past the pieces that wait. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#channel.readyState !== "open") return;
    this.#channel.send(frame);
    this.#handed += frame.byteLength;
  }

  close(): void {
    this.#queue = [];
    this.#waiting = 0;
    this.#channel.onbufferedamountlow = null;
  }
}
