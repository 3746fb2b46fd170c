/** Brings one segment of a replay: from members that hold it, or from the store. */

import { rangesOf } from "../segment";
import type { MemberId } from "../../protocol/messages";
import type { Reassembler } from "../../protocol/frames";
import { encodeAppetite, encodeRequest } from "../../protocol/frames";
import type { ReplayExchangeOptions } from "./options";
import type { Holders } from "./availability";
import type { Bringing, ReplaySegment } from "./segment-cache";

/** With less video ahead of the playhead nobody is waited for. */
export const URGENT_S = 6;
/** Nobody is waited for longer, whatever lies ahead. */
const MAX_WAIT_MS = 8_000;
/** Of several who need the same at once each waits so much longer than the one before it. */
const TURN_MS = 700;
const MAX_TURN_MS = 2_800;
/** Links to others are being made: so long after that began they are worth waiting for. */
const LINKING_MS = 4_000;
/** Who brings nothing for so long has others to serve. */
const SILENT_MS = 2_000;
/** Somebody holds it and is busy: worth so much waiting for. */
const BUSY_MS = 5_000;
const LOOK_MS = 200;
/** A sender's queue takes no more than a few of these. */
const MAX_REQUESTED_BYTES = 1024 * 1024;

export class Bringer {
  #o: ReplayExchangeOptions;
  #holders: Holders;
  #reassembler: Reassembler;
  #onWhole: (segment: ReplaySegment) => void;
  /** when links to others began to be made, ms; null: not yet */
  #linkingSince: number | null = null;
  #onNews = new Set<() => void>();

  /** @param onWhole told of a segment that is here and has its hash */
  constructor(
    options: ReplayExchangeOptions,
    holders: Holders,
    reassembler: Reassembler,
    onWhole: (segment: ReplaySegment) => void,
  ) {
    this.#o = options;
    this.#holders = holders;
    this.#reassembler = reassembler;
    this.#onWhole = onWhole;
    void options.begun.then(() => {
      this.#linkingSince = options.now();
    });
  }

  /** Something has changed that somebody may wait for. */
  news(): void {
    for (const heard of this.#onNews) heard();
  }

  /**
   * Bring a segment.
   *
   * @throws when the store has it not, or not intact, or when nobody waits for it any more
   */
  async bring(segment: ReplaySegment, { stop }: Bringing): Promise<void> {
    const begun = this.#o.now();
    const busy = new Set<MemberId>();
    while (this.#isPatient(begun)) {
      stop.signal.throwIfAborted();
      const from = this.#holders.best(segment.descriptor, this.#o.you() ?? "", busy, this.#o.now());
      if (from !== null) {
        if (await this.#fromMember(segment, from, begun, stop.signal)) return;
        busy.add(from);
      } else if (this.#o.now() - begun < this.#waitMs(segment, busy.size > 0)) {
        await this.#newsOr(LOOK_MS);
      } else {
        break;
      }
    }
    await this.#fromStore(segment, stop.signal);
  }

  /** Whether there is time to wait for members. */
  #isPatient(begun: number): boolean {
    const { mesh, verify, bufferedS, now } = this.#o;
    if (!mesh || !verify) return false;
    return bufferedS() >= URGENT_S && now() - begun < MAX_WAIT_MS;
  }

  /** How long a segment that nobody brings now is waited for. */
  #waitMs({ descriptor }: ReplaySegment, busy: boolean): number {
    if (busy) return BUSY_MS;
    const { you, linking, now } = this.#o;
    const since = this.#linkingSince;
    if (linking() && (since === null || now() - since < LINKING_MS)) return LINKING_MS;
    const own = you();
    const before = own === null ? 0 : this.#holders.before(own, descriptor);
    return Math.min(MAX_TURN_MS, before * TURN_MS);
  }

  /**
   * Ask a member for all that is missing.
   *
   * @returns whether it brought it
   */
  async #fromMember(
    segment: ReplaySegment,
    from: MemberId,
    begun: number,
    stop: AbortSignal,
  ): Promise<boolean> {
    const { mesh, now, stats } = this.#o;
    const { variant, sequence, pieceSize } = segment.descriptor;
    segment.empty();
    segment.asked = segment.broughtBy = from;
    segment.heardAt = now();
    const wanted = segment.pieces.missing();
    let asked = 0;
    while (!segment.pieces.complete) {
      const came = wanted.length - segment.pieces.missing().length;
      const most = came + Math.max(1, Math.floor(MAX_REQUESTED_BYTES / pieceSize));
      for (const index of wanted.slice(asked, most)) {
        stats.segments.requested += 1;
        mesh?.send(from, encodeRequest(variant, sequence, index));
      }
      asked = Math.max(asked, Math.min(most, wanted.length));
      await this.#newsOr(LOOK_MS);
      const gone = !mesh?.isOpen(from) || now() - segment.heardAt > SILENT_MS;
      if (gone || stop.aborted || !this.#isPatient(begun)) break;
    }
    segment.asked = null;
    this.#reassembler.forgetSegment(variant, sequence);
    if (!segment.pieces.complete) {
      if (now() - segment.heardAt > SILENT_MS) this.#holders.failed(from, now());
      mesh?.send(from, encodeAppetite("pause", variant, sequence));
      return false;
    }
    if (await this.#keep(segment)) return true;
    this.#blame(from);
    return false;
  }

  /** Keep a segment that is complete, if it has its hash; what has not is thrown away. */
  async #keep(segment: ReplaySegment): Promise<boolean> {
    const { verify, stats } = this.#o;
    const { descriptor, pieces, fromMember, broughtBy } = segment;
    const good = !verify || (await verify(new Uint8Array(pieces.copy()), descriptor.sha256));
    if (!good) {
      stats.segments.bad_pieces += 1;
      segment.empty();
      return false;
    }
    stats.received("p2p", fromMember, false);
    stats.segments.complete += 1;
    if (broughtBy !== null) this.#holders.brought(broughtBy, fromMember);
    segment.whole = true;
    this.#onWhole(segment);
    return true;
  }

  #blame(member: MemberId): void {
    this.#o.onBadPiece(member);
    this.#o.mesh?.expel(member);
  }

  /** Fetch what is missing from the store, and all of it where that does not fit the rest. */
  async #fromStore(segment: ReplaySegment, signal: AbortSignal): Promise<void> {
    const { store, stats, now } = this.#o;
    const { broughtBy } = segment;
    for (const reload of [false, true]) {
      const { pieces, descriptor } = segment;
      for (const range of rangesOf(pieces.missing()))
        await store.readPieces(
          descriptor,
          range,
          (index, bytes) => {
            segment.arrived(now());
            if (pieces.claim(index)) pieces.put(index, bytes);
          },
          {
            ...{ signal, reload },
            onBytes: (count) => {
              stats.received("store", count, false);
            },
          },
        );
      if (await this.#keep(segment)) {
        if (reload && broughtBy !== null) this.#blame(broughtBy);
        return;
      }
    }
    throw new Error(`${segment.descriptor.url}: the store's bytes have a wrong hash`);
  }

  #newsOr(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const heard = (): void => {
        clearTimeout(timer);
        this.#onNews.delete(heard);
        resolve();
      };
      const timer = setTimeout(heard, ms);
      this.#onNews.add(heard);
    });
  }
}
