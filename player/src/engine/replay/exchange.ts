/**
 * What the viewers of a replay exchange. Everybody is somewhere else in it, so nothing is pushed: who
 * needs a segment asks one who says to hold it.
 */

import type { MemberId } from "../../protocol/messages";
import { Reassembler, decodeFrame } from "../../protocol/frames";
import { Bringer } from "./policy";
import type { ReplayDescriptor } from "./descriptors";
import type { ReplayExchangeOptions } from "./options";
import { Holders } from "./availability";
import { Lender } from "./piece-server";
import type { Bringing, ReplaySegment } from "./segment-cache";
import { Shelf } from "./segment-cache";

export class ReplayExchange {
  #o: ReplayExchangeOptions;
  #holders = new Holders();
  #reassembler = new Reassembler();
  #shelf: Shelf;
  #lender: Lender;
  #bringer: Bringer;

  constructor(options: ReplayExchangeOptions) {
    this.#o = options;
    this.#lender = new Lender(options.mesh);
    this.#shelf = new Shelf((segment) => {
      if (segment.whole) this.#lender.tell(segment, false);
    });
    this.#bringer = new Bringer(options, this.#holders, this.#reassembler, (segment) => {
      this.#lender.tell(segment, true);
    });
  }

  /**
   * Bring a segment.
   *
   * @throws when the store has it not, or not intact, or when `signal` is aborted: what nobody waits
   *   for is not brought any further
   */
  async want(descriptor: ReplayDescriptor, signal: AbortSignal): Promise<ReplaySegment> {
    const segment = this.#shelf.ensure(descriptor);
    // who had sought elsewhere is back before it was let go
    while (segment.bringing?.stop.signal.aborted)
      await segment.bringing.done.catch(() => undefined);
    signal.throwIfAborted();
    if (segment.whole) return segment;
    const bringing = (segment.bringing ??= this.#begin(segment));
    bringing.waiters += 1;
    const aborted = new Promise<never>((_, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      await Promise.race([bringing.done, aborted]);
    } finally {
      bringing.waiters -= 1;
      if (bringing.waiters === 0) this.#stop(bringing);
    }
    return segment;
  }

  /** Take a frame of a member. */
  frame(from: MemberId, data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) {
      this.#o.mesh?.expel(from);
      return;
    }
    const { variant, sequence } = frame;
    const segment = this.#shelf.get(variant, sequence);
    switch (frame.type) {
      case "piece":
        if (segment?.asked === from) this.#take(segment, from, frame);
        else this.#o.stats.segments.duplicates += 1;
        break;
      case "have":
        this.#holders.say(from, frame, frame.pieces !== 0);
        if (frame.pieces !== 0) this.#lender.settle(from, variant, sequence);
        this.#bringer.news();
        break;
      case "request":
        if (segment) this.#lender.serve(segment, from, frame.piece);
        break;
      case "pause":
        this.#lender.settle(from, variant, sequence);
        break;
      case "want":
        break;
    }
  }

  /** A link is open: tell what is here. */
  peerOpened(id: MemberId): void {
    for (const segment of this.#shelf.held()) this.#lender.tell(segment, true, [id]);
    this.#bringer.news();
  }

  /** A link is gone. */
  peerLost(id: MemberId): void {
    this.#holders.forget(id);
    this.#reassembler.forgetPeer(id);
    this.#lender.forget(id);
    this.#bringer.news();
  }

  close(): void {
    for (const bringing of this.#shelf.coming()) this.#stop(bringing);
  }

  #begin(segment: ReplaySegment): Bringing {
    const bringing: Bringing = {
      stop: new AbortController(),
      waiters: 0,
      done: Promise.resolve(),
    };
    bringing.done = this.#bringer.bring(segment, bringing).finally(() => {
      segment.bringing = null;
    });
    return bringing;
  }

  #stop(bringing: Bringing): void {
    bringing.stop.abort(new Error("no longer wanted"));
    this.#bringer.news();
  }

  #take(segment: ReplaySegment, from: MemberId, frame: Parameters<Reassembler["add"]>[1]): void {
    const { pieces } = segment;
    const { mesh, now } = this.#o;
    if (frame.total === 0 || frame.total !== pieces.lengthOf(frame.piece)) {
      mesh?.expel(from);
      return;
    }
    if (pieces.has(frame.piece)) return;
    segment.heardAt = now();
    const whole = this.#reassembler.add(from, frame);
    if (whole === "nonsense") {
      mesh?.expel(from);
    } else if (whole !== "partial" && pieces.claim(frame.piece)) {
      pieces.put(frame.piece, whole);
      segment.arrived(now());
      segment.fromMember += whole.byteLength;
      this.#bringer.news();
    }
  }
}
