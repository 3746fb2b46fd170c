/** The uplink that all links share: which piece is sent next, and when. */

import { UplinkEstimator } from "./uplink-estimator";
import { Pacer, UploadCap } from "./pacing";
import type { MeteredConnection } from "./uplink-estimator";
import type { Descriptor } from "../protocol/messages";
import { encodePiece } from "../protocol/frames";

const POLL_MS = 50;
/**
 * A channel that has sent nothing for this long is waiting for its receiver, not for the uplink.
 */
const STUCK_MS = 6_000;
/** When this many channels are waiting at once, they are waiting for the uplink. */
const MIN_WAITING_LINKS = 2;
/**
 * A member that changes its variant has a slow link or is behind. After this time it has recovered.
 */
const EXCLUDED_MS = 30_000;

/** Limit on what all channels together hold once the uplink is measured, as time on the uplink. */
const MAX_AHEAD_MS = 500;
const MIN_AHEAD_BYTES = 96 * 1024;

/** How far a link has come. */
interface LinkProgress {
  transmittedBytes: number;
  /** when that last grew, ms */
  progressAt: number;
  /** until when the link is left out of the estimate, ms */
  excludedUntil: number;
}

export class UplinkScheduler {
  #links = new Map<Link, LinkProgress>();
  #pacer = new Pacer();
  #estimator: UplinkEstimator;
  #cap: UploadCap;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param now milliseconds, monotonic
   * @param onSent called with the payload bytes handed to a channel
   * @param capBps the viewer's upload cap, bit/s; null: none
   */
  constructor(
    private readonly now: () => number,
    private readonly onSent: (bytes: number) => void,
    capBps: () => number | null = () => null,
  ) {
    this.#estimator = new UplinkEstimator(now);
    this.#cap = new UploadCap(capBps);
  }

  /**
   * Measured uplink, bit/s; null if it has not been the bottleneck recently. Never more than the
   * viewer's upload cap.
   */
  get bps(): number | null {
    const { bps } = this.#estimator;
    const capBps = this.#cap.bps;
    return capBps === null ? bps : Math.min(bps ?? Infinity, capBps);
  }

  add(link: Link): void {
    this.#links.set(link, {
      transmittedBytes: 0,
      progressAt: this.now(),
      excludedUntil: -Infinity,
    });
  }

  remove(link: Link): void {
    this.#links.delete(link);
  }

  /**
   * Leave a link out of the estimate for a while, because its receiver is the bottleneck. What was
   * measured with it is discarded.
   */
  excludeFromEstimate(link: Link): void {
    const progress = this.#links.get(link);
    if (progress) progress.excludedUntil = this.now() + EXCLUDED_MS;
    this.#estimator.reset();
  }

  /**
   * Send what may be sent now, one piece to each link in turn, so that all receivers progress
   * alike.
   */
  run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { bps, ageMs } = this.#estimator;
    this.#pacer.update({ now: this.now(), bps, ageMs, queuedBytes: this.#queuedBytes });
    this.#cap.update(this.now());
    for (let idle = 0; idle < this.#links.size;) {
      if (!this.#pacer.maySend || !this.#cap.maySend || this.#isFull()) break;
      const bytes = this.#nextLink()?.sendNext() ?? 0;
      idle = bytes === 0 ? idle + 1 : 0;
      this.#pacer.sent(bytes);
      this.#cap.sent(bytes);
      this.onSent(bytes);
    }
    this.#estimator.update(this.#updateBusy(), this.#links.keys());
    const isWorkLeft = [...this.#links.keys()].some(
      ({ queuedBytes, bufferedBytes }) => queuedBytes + bufferedBytes > 0,
    );
    // poll: not every implementation fires `bufferedamountlow`, and none does while pieces are held
    // back
    if (isWorkLeft)
      this.#timer = setTimeout(() => {
        this.run();
      }, POLL_MS);
  }

  /** Round robin that continues where it stopped; otherwise the last link would always be late. */
  #nextLink(): Link | undefined {
    const [first] = this.#links;
    if (!first) return undefined;
    const [link, progress] = first;
    this.#links.delete(link);
    this.#links.set(link, progress);
    return link;
  }

  /**
   * Whether the channels hold enough for now. What a channel has accepted cannot be taken back, and
   * pieces sent all at once all arrive late.
   */
  #isFull(): boolean {
    const { bps } = this;
    if (bps === null) return false;
    let bufferedBytes = 0;
    for (const [link, { progressAt }] of this.#links)
      if (this.now() - progressAt < STUCK_MS) bufferedBytes += link.bufferedBytes;
    return bufferedBytes >= Math.max(MIN_AHEAD_BYTES, (bps / 8_000) * MAX_AHEAD_MS);
  }

  get #queuedBytes(): number {
    return [...this.#links.keys()].reduce((bytes, { queuedBytes }) => bytes + queuedBytes, 0);
  }

  /**
   * Update each link's progress. Returns whether enough channels are waiting that the uplink must
   * be the bottleneck.
   */
  #updateBusy(): boolean {
    const now = this.now();
    let waitingLinks = 0;
    for (const [link, progress] of this.#links) {
      if (link.transmittedBytes > progress.transmittedBytes || link.bufferedBytes === 0)
        progress.progressAt = now;
      progress.transmittedBytes = link.transmittedBytes;
      const stuck = now - progress.progressAt >= STUCK_MS || now < progress.excludedUntil;
      if (link.bufferedBytes > 0 && !stuck) waitingLinks += 1;
    }
    return waitingLinks >= Math.min(MIN_WAITING_LINKS, this.#links.size) && waitingLinks > 0;
  }
}

/**
 * Limit on the channel's own buffer, exceeded by at most one piece. What is in it cannot be taken
 * back, and up to 31 channels share one uplink.
 */
const MAX_BUFFERED_BYTES = 64 * 1024;
/**
 * Limit on the send queue. Queued pieces are views of segments in memory; the store has those that
 * do not fit.
 */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** A piece in the send queue. */
export interface QueuedPiece {
  descriptor: Descriptor;
  index: number;
  bytes: Uint8Array;
  /**
   * asked when the piece's turn comes: one that the receiver has by then would only delay the
   * others
   */
  isStillWanted: () => boolean;
}

/** An open data channel to a member, with a bounded send queue. */
export class Link implements MeteredConnection {
  #channel: RTCDataChannel;
  #queue: QueuedPiece[] = [];
  #queuedBytes = 0;
  #handedToChannel = 0;

  /**
   * @param channel an open channel
   * @param openedAt when it opened, ms
   * @param onReady called when there may be something to send
   * @param wireBytes bytes its connection has sent so far; null if the browser does not count them
   */
  constructor(
    channel: RTCDataChannel,
    readonly openedAt: number,
    private readonly onReady: () => void,
    readonly wireBytes: () => Promise<number | null>,
  ) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = MAX_BUFFERED_BYTES / 2;
    channel.onbufferedamountlow = onReady;
  }

  /** Bytes of pieces in the send queue. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  /** Bytes that the channel has accepted but not sent. */
  get bufferedBytes(): number {
    return this.#channel.bufferedAmount;
  }
  /** Bytes of frames that the channel has sent. */
  get transmittedBytes(): number {
    return this.#handedToChannel - this.bufferedBytes;
  }

  /**
   * Queue a piece.
   *
   * @returns false if the queue is full; the member then does not get the piece from here
   */
  sendPiece(piece: QueuedPiece): boolean {
    const { byteLength } = piece.bytes;
    if (this.#queuedBytes + byteLength > MAX_QUEUED_BYTES) return false;
    this.#queue.push(piece);
    this.#queuedBytes += byteLength;
    this.onReady();
    return true;
  }

  /**
   * Hand the next piece that is still wanted to the channel, if the channel has room.
   *
   * @returns its bytes; 0 if there is no such piece or no room
   */
  sendNext(): number {
    while (this.#channel.readyState === "open" && this.bufferedBytes < MAX_BUFFERED_BYTES) {
      const next = this.#queue.shift();
      if (!next) return 0;
      const { descriptor, index, bytes, isStillWanted } = next;
      this.#queuedBytes -= bytes.byteLength;
      if (!isStillWanted()) continue;
      for (const frame of encodePiece(descriptor.variant, descriptor.sequence, index, bytes))
        this.send(frame);
      return bytes.byteLength;
    }
    return 0;
  }

  /** Send a small frame, ahead of queued pieces. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#channel.readyState !== "open") return;
    this.#channel.send(frame);
    this.#handedToChannel += frame.byteLength;
  }

  close(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#channel.onbufferedamountlow = null;
  }
}
