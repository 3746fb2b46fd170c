/**
 * The exchange between viewers of a replay. They all play different parts of it, so nothing is
 * pushed: a viewer that needs a segment requests it from one that has it.
 */

import type { MemberId } from "../../protocol/messages";
import { Reassembler, decodeFrame } from "../../protocol/frames";
import { ReplayPolicy } from "./policy";
import type { ReplayDescriptor } from "./descriptors";
import type { ReplayExchangeOptions } from "./options";
import { ReplayAvailability } from "./availability";
import { PieceServer } from "./piece-server";
import type { ReplayDownload, ReplaySegment } from "./segment-cache";
import { ReplaySegmentCache } from "./segment-cache";

export class ReplayExchange {
  #options: ReplayExchangeOptions;
  #availability = new ReplayAvailability();
  #reassembler = new Reassembler();
  #cache: ReplaySegmentCache;
  #pieceServer: PieceServer;
  #policy: ReplayPolicy;

  constructor(options: ReplayExchangeOptions) {
    this.#options = options;
    this.#pieceServer = new PieceServer(options.mesh);
    this.#cache = new ReplaySegmentCache((segment) => {
      if (segment.verified) this.#pieceServer.sendAvailability(segment, false);
    });
    this.#policy = new ReplayPolicy(options, this.#availability, this.#reassembler, (segment) => {
      this.#pieceServer.sendAvailability(segment, true);
    });
  }

  /**
   * Load a segment. Resolves once it is complete and verified.
   *
   * @throws when the store does not have it, or not intact, or when `signal` is aborted; the
   *   download stops once nobody waits for it
   */
  async want(descriptor: ReplayDescriptor, signal: AbortSignal): Promise<ReplaySegment> {
    const segment = this.#cache.getOrAdd(descriptor);
    // the player came back before the download it had aborted came to an end
    while (segment.download?.controller.signal.aborted)
      await segment.download.done.catch(() => undefined);
    signal.throwIfAborted();
    if (segment.verified) return segment;
    const download = (segment.download ??= this.#startDownload(segment));
    download.waiters += 1;
    const aborted = new Promise<never>((_, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      await Promise.race([download.done, aborted]);
    } finally {
      download.waiters -= 1;
      if (download.waiters === 0) this.#stopDownload(download);
    }
    return segment;
  }

  /** Handle a frame from a member. */
  frame(from: MemberId, data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) {
      this.#options.mesh?.expel(from);
      return;
    }
    const { variant, sequence } = frame;
    const segment = this.#cache.get(variant, sequence);
    switch (frame.type) {
      case "piece":
        if (segment?.requestedFrom === from) this.#receivePiece(segment, from, frame);
        else this.#options.stats.segments.duplicates += 1;
        break;
      case "have":
        this.#availability.set(from, frame, frame.pieces !== 0);
        if (frame.pieces !== 0) this.#pieceServer.cancel(from, variant, sequence);
        this.#policy.notify();
        break;
      case "request":
        if (segment) this.#pieceServer.serve(segment, from, frame.piece);
        break;
      case "pause":
        this.#pieceServer.cancel(from, variant, sequence);
        break;
      case "want":
        break;
    }
  }

  /** A link opened. Tells its member which segments are here. */
  linkOpened(id: MemberId): void {
    for (const segment of this.#cache.verified())
      this.#pieceServer.sendAvailability(segment, true, [id]);
    this.#policy.notify();
  }

  /** A link was lost. */
  linkLost(id: MemberId): void {
    this.#availability.remove(id);
    this.#reassembler.discardPeer(id);
    this.#pieceServer.linkLost(id);
    this.#policy.notify();
  }

  close(): void {
    for (const download of this.#cache.downloads()) this.#stopDownload(download);
  }

  #startDownload(segment: ReplaySegment): ReplayDownload {
    const download: ReplayDownload = {
      controller: new AbortController(),
      waiters: 0,
      done: Promise.resolve(),
    };
    download.done = this.#policy.fetch(segment, download).finally(() => {
      segment.download = null;
    });
    return download;
  }

  #stopDownload(download: ReplayDownload): void {
    download.controller.abort(new Error("no longer requested"));
    this.#policy.notify();
  }

  #receivePiece(
    segment: ReplaySegment,
    from: MemberId,
    frame: Parameters<Reassembler["add"]>[1],
  ): void {
    const { pieces } = segment;
    const { mesh, now } = this.#options;
    if (frame.total === 0 || frame.total !== pieces.lengthOf(frame.piece)) {
      mesh?.expel(from);
      return;
    }
    if (pieces.has(frame.piece)) return;
    segment.progressAt = now();
    const piece = this.#reassembler.add(from, frame);
    if (piece === "invalid") {
      mesh?.expel(from);
    } else if (piece !== "partial" && pieces.beginVerification(frame.piece)) {
      pieces.put(frame.piece, piece);
      segment.arrived(now());
      segment.peerBytes += piece.byteLength;
      this.#policy.notify();
    }
  }
}
