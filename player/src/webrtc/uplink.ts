/** The one uplink behind all links: whose piece goes next, and how fast. */

import { UplinkEstimator } from "./uplink-estimator";
import { Pacer, UploadCap } from "./pacing";
import type { MeteredConnection } from "./uplink-estimator";
import type { Descriptor } from "../protocol/messages";
import { encodePiece } from "../protocol/frames";

const POLL_MS = 50;
/** A channel that has sent nothing for so long waits for its receiver, not for this link. */
const STUCK_MS = 6_000;
/** With so many channels that wait at a time, it is this link that they wait for. */
const MIN_WAITING_LINKS = 2;
/** Who takes another rendition has a link that has become slow, or is behind; it has recovered then. */
const EXCLUDED_MS = 30_000;

/** What all channels together may hold of a link that was measured, in time. */
const MAX_AHEAD_MS = 500;
const MIN_AHEAD_BYTES = 96 * 1024;

/** What is known of a link's progress. */
interface LinkProgress {
  transmittedBytes: number;
  /** when that grew last, ms */
  at: number;
  /** until when it is no witness, ms */
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
   * @param onSent told of payload bytes as they are handed to a channel
   * @param capBps the most that the viewer wants to send, bit/s; null: no limit
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
   * What the link carried when it was the limit, bit/s; null if it has not been lately. A link with a
   * limit of its viewer's carries no more than that.
   */
  get bps(): number | null {
    const { bps } = this.#estimator;
    const capBps = this.#cap.bps;
    return capBps === null ? bps : Math.min(bps ?? Infinity, capBps);
  }

  add(link: Link): void {
    this.#links.set(link, { transmittedBytes: 0, at: this.now(), excludedUntil: -Infinity });
  }

  remove(link: Link): void {
    this.#links.delete(link);
  }

  /** What waits at this link now does not wait for this viewer's; nor did what was measured by it. */
  excludeFromEstimate(link: Link): void {
    const progress = this.#links.get(link);
    if (progress) progress.excludedUntil = this.now() + EXCLUDED_MS;
    this.#estimator.reset();
  }

  /** Send what may be sent now: a piece to one after the other, so that all get theirs together. */
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
    // `bufferedamountlow` is not fired by every implementation, and not while pieces are held back
    if (isWorkLeft)
      this.#timer = setTimeout(() => {
        this.run();
      }, POLL_MS);
  }

  /** Takes turns, which go on where they ended: the last link would always be late otherwise. */
  #nextLink(): Link | undefined {
    const [first] = this.#links;
    if (!first) return undefined;
    const [link, progress] = first;
    this.#links.delete(link);
    this.#links.set(link, progress);
    return link;
  }

  /**
   * Whether the channels hold as much as the link takes for now. What lies there cannot be taken back,
   * and of many pieces that are sent at a time all come late.
   */
  #isFull(): boolean {
    const { bps } = this;
    if (bps === null) return false;
    let bufferedBytes = 0;
    for (const [link, { at }] of this.#links)
      if (this.now() - at < STUCK_MS) bufferedBytes += link.bufferedBytes;
    return bufferedBytes >= Math.max(MIN_AHEAD_BYTES, (bps / 8_000) * MAX_AHEAD_MS);
  }

  get #queuedBytes(): number {
    return [...this.#links.keys()].reduce((bytes, { queuedBytes }) => bytes + queuedBytes, 0);
  }

  /** Whether so many channels wait that it must be this link that they wait for. */
  #updateBusy(): boolean {
    const now = this.now();
    let waitingLinks = 0;
    for (const [link, progress] of this.#links) {
      if (link.transmittedBytes > progress.transmittedBytes || link.bufferedBytes === 0)
        progress.at = now;
      progress.transmittedBytes = link.transmittedBytes;
      const stuck = now - progress.at >= STUCK_MS || now < progress.excludedUntil;
      if (link.bufferedBytes > 0 && !stuck) waitingLinks += 1;
    }
    return waitingLinks >= Math.min(MIN_WAITING_LINKS, this.#links.size) && waitingLinks > 0;
  }
}

// One open data channel to one member, with a bounded queue of pieces to send.

/**
 * Bytes that may lie in the channel's own buffer, one piece more at most. What lies there cannot be
 * taken back, and there are up to 31 channels before one uplink.
 */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Pieces waiting here are views of segments in memory; what does not fit is left to the store. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** A piece in the queue. */
export interface QueuedPiece {
  descriptor: Descriptor;
  index: number;
  bytes: Uint8Array;
  /** asked when its turn comes: what its receiver has by then would only delay the next ones */
  isStillWanted: () => boolean;
}

export class Link implements MeteredConnection {
  #channel: RTCDataChannel;
  #queue: QueuedPiece[] = [];
  #queuedBytes = 0;
  #handedToChannel = 0;

  /**
   * @param channel an open channel
   * @param openedAt when it opened, ms
   * @param onReady told when there may be something to send
   * @param wireBytes what its connection has sent so far; null where nobody counts
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

  /** Bytes of pieces that wait here for their turn. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }
  /** Bytes that the channel has taken and not sent. */
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
   * @returns false if the queue is full: this member will miss the piece
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
   * Hand the next wanted piece to the channel, if that has room.
   *
   * @returns its bytes; 0 if there is none, or no room
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

  /** Send a small frame, past the pieces that wait. */
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
