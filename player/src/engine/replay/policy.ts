/** Brings one segment of a replay: from members that hold it, or from the store. */

import { rangesOf } from "../segment";
import type { MemberId } from "../../protocol/messages";
import type { Reassembler } from "../../protocol/frames";
import { encodeInterest, encodeRequest } from "../../protocol/frames";
import type { ReplayExchangeOptions } from "./options";
import type { ReplayAvailability } from "./availability";
import type { ReplayDownload, ReplaySegment } from "./segment-cache";

/** With less video ahead of the playhead nobody is waited for. */
export const URGENT_BUFFER_S = 6;
/** Nobody is waited for longer, whatever lies ahead. */
const MAX_WAIT_MS = 8_000;
/** Of several who need the same at once each waits so much longer than the one before it. */
const TURN_MS = 700;
const MAX_TURN_MS = 2_800;
/** Links to others are being made: so long after that began they are worth waiting for. */
const LINKING_WAIT_MS = 4_000;
/** Who brings nothing for so long has others to serve. */
const QUIET_MS = 2_000;
/** Somebody holds it and is busy: worth so much waiting for. */
const BUSY_WAIT_MS = 5_000;
const POLL_MS = 200;
/** A sender's queue takes no more than a few of these. */
const MAX_REQUESTED_BYTES = 1024 * 1024;

export class ReplayPolicy {
  #options: ReplayExchangeOptions;
  #availability: ReplayAvailability;
  #reassembler: Reassembler;
  #onVerified: (segment: ReplaySegment) => void;
  /** when links to others began to be made, ms; null: not yet */
  #linkingSince: number | null = null;
  #changeListeners = new Set<() => void>();

  /** @param onWhole told of a segment that is here and has its hash */
  constructor(
    options: ReplayExchangeOptions,
    holders: ReplayAvailability,
    reassembler: Reassembler,
    onWhole: (segment: ReplaySegment) => void,
  ) {
    this.#options = options;
    this.#availability = holders;
    this.#reassembler = reassembler;
    this.#onVerified = onWhole;
    void options.mayConnect.then(() => {
      this.#linkingSince = options.now();
    });
  }

  /** Something has changed that somebody may wait for. */
  notify(): void {
    for (const heard of this.#changeListeners) heard();
  }

  /**
   * Bring a segment.
   *
   * @throws when the store has it not, or not intact, or when nobody waits for it any more
   */
  async fetch(segment: ReplaySegment, { stop }: ReplayDownload): Promise<void> {
    const startedAt = this.#options.now();
    const busy = new Set<MemberId>();
    while (this.#mayWaitForPeers(startedAt)) {
      stop.signal.throwIfAborted();
      const from = this.#availability.bestHolder(
        segment.descriptor,
        this.#options.you() ?? "",
        busy,
        this.#options.now(),
      );
      if (from !== null) {
        if (await this.#fetchFromPeer(segment, from, startedAt, stop.signal)) return;
        busy.add(from);
      } else if (this.#options.now() - startedAt < this.#waitMs(segment, busy.size > 0)) {
        await this.#waitForChange(POLL_MS);
      } else {
        break;
      }
    }
    await this.#fetchFromStore(segment, stop.signal);
  }

  /** Whether there is time to wait for members. */
  #mayWaitForPeers(begun: number): boolean {
    const { mesh, verify, bufferedS, now } = this.#options;
    if (!mesh || !verify) return false;
    return bufferedS() >= URGENT_BUFFER_S && now() - begun < MAX_WAIT_MS;
  }

  /** How long a segment that nobody brings now is waited for. */
  #waitMs({ descriptor }: ReplaySegment, busy: boolean): number {
    if (busy) return BUSY_WAIT_MS;
    const { you, isLinking, now } = this.#options;
    const since = this.#linkingSince;
    if (isLinking() && (since === null || now() - since < LINKING_WAIT_MS)) return LINKING_WAIT_MS;
    const own = you();
    const before = own === null ? 0 : this.#availability.before(own, descriptor);
    return Math.min(MAX_TURN_MS, before * TURN_MS);
  }

  /**
   * Ask a member for all that is missing.
   *
   * @returns whether it brought it
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
    const wanted = segment.pieces.missing();
    let asked = 0;
    while (!segment.pieces.complete) {
      const arrived = wanted.length - segment.pieces.missing().length;
      const limit = arrived + Math.max(1, Math.floor(MAX_REQUESTED_BYTES / pieceSize));
      for (const index of wanted.slice(asked, limit)) {
        stats.segments.requested += 1;
        mesh?.send(from, encodeRequest(variant, sequence, index));
      }
      asked = Math.max(asked, Math.min(limit, wanted.length));
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

  /** Keep a segment that is complete, if it has its hash; what has not is thrown away. */
  async #verify(segment: ReplaySegment): Promise<boolean> {
    const { verify, stats } = this.#options;
    const { descriptor, pieces, peerBytes, deliveredBy } = segment;
    const good = !verify || (await verify(new Uint8Array(pieces.copy()), descriptor.sha256));
    if (!good) {
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

  /** Fetch what is missing from the store, and all of it where that does not fit the rest. */
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
    throw new Error(`${segment.descriptor.url}: the store's bytes have a wrong hash`);
  }

  #waitForChange(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const heard = (): void => {
        clearTimeout(timer);
        this.#changeListeners.delete(heard);
        resolve();
      };
      const timer = setTimeout(heard, ms);
      this.#changeListeners.add(heard);
    });
  }
}
