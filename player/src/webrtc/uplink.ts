/** The one uplink behind all links: whose piece goes next, and how fast. */

import { Gauge } from "./uplink-estimator";
import { UploadLimit } from "./upload-cap";
import type { Link } from "./link";
import { Pacer } from "./pacing";

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
