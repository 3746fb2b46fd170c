/** The one uplink behind all links: whose piece goes next, and how fast. */

import { Gauge } from "./uplink-estimator";
import { Pacer, UploadLimit } from "./pacing";
import type { Metered } from "./uplink-estimator";
import type { Descriptor } from "../protocol/messages";
import { encodePiece } from "../protocol/frames";

const POLL_MS = 50;
/** A channel that has sent nothing for so long waits for its receiver, not for this link. */
const STUCK_MS = 6_000;
/** With so many channels that wait at a time, it is this link that they wait for. */
const MIN_WAITING = 2;
/** Who takes another rendition has a link that has become slow, or is behind; it has recovered then. */
const EXCUSED_MS = 30_000;

/** What all channels together may hold of a link that was measured, in time. */
const MAX_AHEAD_MS = 500;
const MIN_AHEAD_BYTES = 96 * 1024;

/** What is known of a link's progress. */
interface Progress {
  carried: number;
  /** when that grew last, ms */
  at: number;
  /** until when it is no witness, ms */
  excusedUntil: number;
}

export class Uplink {
  #links = new Map<Link, Progress>();
  #pacer = new Pacer();
  #gauge: Gauge;
  #limit: UploadLimit;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param now milliseconds, monotonic
   * @param onSent told of payload bytes as they are handed to a channel
   * @param limitBps the most that the viewer wants to send, bit/s; null: no limit
   */
  constructor(
    private readonly now: () => number,
    private readonly onSent: (bytes: number) => void,
    limitBps: () => number | null = () => null,
  ) {
    this.#gauge = new Gauge(now);
    this.#limit = new UploadLimit(limitBps);
  }

  /**
   * What the link carried when it was the limit, bit/s; null if it has not been lately. A link with a
   * limit of its viewer's carries no more than that.
   */
  get bps(): number | null {
    const { bps } = this.#gauge;
    const limit = this.#limit.bps;
    return limit === null ? bps : Math.min(bps ?? Infinity, limit);
  }

  add(link: Link): void {
    this.#links.set(link, { carried: 0, at: this.now(), excusedUntil: -Infinity });
  }

  remove(link: Link): void {
    this.#links.delete(link);
  }

  /** What waits at this link now does not wait for this viewer's; nor did what was measured by it. */
  excuse(link: Link): void {
    const progress = this.#links.get(link);
    if (progress) progress.excusedUntil = this.now() + EXCUSED_MS;
    this.#gauge.forget();
  }

  /** Send what may be sent now: a piece to one after the other, so that all get theirs together. */
  run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { bps, ageMs } = this.#gauge;
    this.#pacer.look({ now: this.now(), bps, ageMs, waiting: this.#waiting });
    this.#limit.look(this.now());
    for (let idle = 0; idle < this.#links.size;) {
      if (!this.#pacer.may || !this.#limit.may || this.#isFull()) break;
      const bytes = this.#nextLink()?.sendNext() ?? 0;
      idle = bytes === 0 ? idle + 1 : 0;
      this.#pacer.sent(bytes);
      this.#limit.sent(bytes);
      this.onSent(bytes);
    }
    this.#gauge.look(this.#findBusy(), this.#links.keys());
    const more = [...this.#links.keys()].some(({ waiting, buffered }) => waiting + buffered > 0);
    // `bufferedamountlow` is not fired by every implementation, and not while pieces are held back
    if (more)
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
    let held = 0;
    for (const [link, { at }] of this.#links) if (this.now() - at < STUCK_MS) held += link.buffered;
    return held >= Math.max(MIN_AHEAD_BYTES, (bps / 8_000) * MAX_AHEAD_MS);
  }

  get #waiting(): number {
    return [...this.#links.keys()].reduce((bytes, { waiting }) => bytes + waiting, 0);
  }

  /** Whether so many channels wait that it must be this link that they wait for. */
  #findBusy(): boolean {
    const now = this.now();
    let held = 0;
    for (const [link, progress] of this.#links) {
      if (link.carried > progress.carried || link.buffered === 0) progress.at = now;
      progress.carried = link.carried;
      const stuck = now - progress.at >= STUCK_MS || now < progress.excusedUntil;
      if (link.buffered > 0 && !stuck) held += 1;
    }
    return held >= Math.min(MIN_WAITING, this.#links.size) && held > 0;
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
