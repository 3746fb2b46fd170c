/** Decides where a segment of a replay comes from, a member or the store, and downloads it. */

import { rangesOf } from "../segment";
import type { MemberId } from "../../protocol/messages";
import type { Reassembler } from "../../protocol/frames";
import { encodeInterest, encodeRequest } from "../../protocol/frames";
import type { ReplayExchangeOptions } from "./options";
import type { ReplayAvailability } from "./availability";
import type { ReplayDownload, ReplaySegment } from "./segment-cache";

/** With less video buffered, members are not waited for. */
export const URGENT_BUFFER_S = 6;
/** The longest wait for members, however much is buffered. */
const MAX_WAIT_MS = 8_000;
/** Members that need the same segment at once take turns at the store, this far apart. */
const TURN_MS = 700;
const MAX_TURN_MS = 2_800;
/** Once links are being made, they are worth this much waiting. */
const LINKING_WAIT_MS = 4_000;
/** A member that delivers nothing for this long is serving others. */
const QUIET_MS = 2_000;
/** A segment whose holders are all busy is worth this much waiting. */
const BUSY_WAIT_MS = 5_000;
const POLL_MS = 200;
/** Limit on what is requested at a time: a sender's queue holds no more than a few of these. */
const MAX_REQUESTED_BYTES = 1024 * 1024;

export class ReplayPolicy {
  #options: ReplayExchangeOptions;
  #availability: ReplayAvailability;
  #reassembler: Reassembler;
  #onVerified: (segment: ReplaySegment) => void;
  /** when the viewer began to make links, ms; null before */
  #linkingSince: number | null = null;
  #changeListeners = new Set<() => void>();

  /** @param onVerified called with each segment that is complete and verified */
  constructor(
    options: ReplayExchangeOptions,
    availability: ReplayAvailability,
    reassembler: Reassembler,
    onVerified: (segment: ReplaySegment) => void,
  ) {
    this.#options = options;
    this.#availability = availability;
    this.#reassembler = reassembler;
    this.#onVerified = onVerified;
    void options.mayConnect.then(() => {
      this.#linkingSince = options.now();
    });
  }

  /** Something changed that a download may be waiting for. */
  notify(): void {
    for (const listener of this.#changeListeners) listener();
  }

  /**
   * Download a segment.
   *
   * @throws when the store does not have it, or not intact, or when nobody waits for it any longer
   */
  async fetch(segment: ReplaySegment, { controller }: ReplayDownload): Promise<void> {
    const startedAt = this.#options.now();
    const busy = new Set<MemberId>();
    while (this.#mayWaitForPeers(startedAt)) {
      controller.signal.throwIfAborted();
      const from = this.#availability.bestHolder(
        segment.descriptor,
        this.#options.you() ?? "",
        busy,
        this.#options.now(),
      );
      if (from !== null) {
        if (await this.#fetchFromPeer(segment, from, startedAt, controller.signal)) return;
        busy.add(from);
      } else if (this.#options.now() - startedAt < this.#waitMs(segment, busy.size > 0)) {
        await this.#waitForChange(POLL_MS);
      } else {
        break;
      }
    }
    await this.#fetchFromStore(segment, controller.signal);
  }

  /** Whether there is time to wait for members. */
  #mayWaitForPeers(startedAt: number): boolean {
    const { mesh, verify, bufferedS, now } = this.#options;
    if (!mesh || !verify) return false;
    return bufferedS() >= URGENT_BUFFER_S && now() - startedAt < MAX_WAIT_MS;
  }

  /** How long to wait for a segment that no member delivers at the moment, ms. */
  #waitMs({ descriptor }: ReplaySegment, busy: boolean): number {
    if (busy) return BUSY_WAIT_MS;
    const { you, isLinking, now } = this.#options;
    const since = this.#linkingSince;
    if (isLinking() && (since === null || now() - since < LINKING_WAIT_MS)) return LINKING_WAIT_MS;
    const id = you();
    const turn = id === null ? 0 : this.#availability.turnOf(id, descriptor);
    return Math.min(MAX_TURN_MS, turn * TURN_MS);
  }

  /**
   * Request all missing pieces from a member.
   *
   * @returns whether it delivered them intact
   */
  async #fetchFromPeer(
    segment: ReplaySegment,
    from: MemberId,
    startedAt: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { mesh, now, stats } = this.#options;
    const { variant, sequence, pieceSize } = segment.descriptor;
    segment.reset();
    segment.requestedFrom = segment.deliveredBy = from;
    segment.progressAt = now();
    const missing = segment.pieces.missing();
    let requested = 0;
    while (!segment.pieces.complete) {
      const arrived = missing.length - segment.pieces.missing().length;
      const limit = arrived + Math.max(1, Math.floor(MAX_REQUESTED_BYTES / pieceSize));
      for (const index of missing.slice(requested, limit)) {
        stats.segments.requested += 1;
        mesh?.send(from, encodeRequest(variant, sequence, index));
      }
      requested = Math.max(requested, Math.min(limit, missing.length));
      await this.#waitForChange(POLL_MS);
      const failed = !mesh?.isOpen(from) || now() - segment.progressAt > QUIET_MS;
      if (failed || signal.aborted || !this.#mayWaitForPeers(startedAt)) break;
    }
    segment.requestedFrom = null;
    this.#reassembler.discardSegment(variant, sequence);
    if (!segment.pieces.complete) {
      if (now() - segment.progressAt > QUIET_MS) this.#availability.markFailed(from, now());
      mesh?.send(from, encodeInterest("pause", variant, sequence));
      return false;
    }
    if (await this.#verify(segment)) return true;
    this.#reportAndExpel(from);
    return false;
  }

  /** Verify a complete segment. If its hash is wrong, all of it is discarded. */
  async #verify(segment: ReplaySegment): Promise<boolean> {
    const { verify, stats } = this.#options;
    const { descriptor, pieces, peerBytes, deliveredBy } = segment;
    const isIntact = !verify || (await verify(new Uint8Array(pieces.copy()), descriptor.sha256));
    if (!isIntact) {
      stats.segments.bad_pieces += 1;
      segment.reset();
      return false;
    }
    stats.received("p2p", peerBytes, false);
    stats.segments.complete += 1;
    if (deliveredBy !== null) this.#availability.addDelivered(deliveredBy, peerBytes);
    segment.verified = true;
    this.#onVerified(segment);
    return true;
  }

  #reportAndExpel(member: MemberId): void {
    this.#options.onBadPiece(member);
    this.#options.mesh?.expel(member);
  }

  /**
   * Fetch the missing pieces from the store; if the result has a wrong hash, fetch everything once
   * more, past the cache.
   */
  async #fetchFromStore(segment: ReplaySegment, signal: AbortSignal): Promise<void> {
    const { store, stats, now } = this.#options;
    const { deliveredBy } = segment;
    for (const reload of [false, true]) {
      const { pieces, descriptor } = segment;
      for (const range of rangesOf(pieces.missing()))
        await store.readPieces(
          descriptor,
          range,
          (index, bytes) => {
            segment.arrived(now());
            if (pieces.beginVerification(index)) pieces.put(index, bytes);
          },
          {
            ...{ signal, reload },
            onBytes: (count) => {
              stats.received("store", count, false);
            },
          },
        );
      if (await this.#verify(segment)) {
        if (reload && deliveredBy !== null) this.#reportAndExpel(deliveredBy);
        return;
      }
    }
    throw new Error(`${segment.descriptor.url}: wrong hash, also after a reload past the cache`);
  }

  #waitForChange(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#changeListeners.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      this.#changeListeners.add(finish);
    });
  }
}
