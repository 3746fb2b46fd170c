/** What the other viewers of a replay say that they hold. No I/O. */

import { rank } from "../../protocol/plan";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";

/** Honest members hold fewer segments than this: docs/protocol.md, "Replays". */
const MAX_SEGMENTS_PER_MEMBER = 256;
/** Who holds a segment so near to another one is likely to want that one, too. */
const NEAR_SEGMENTS = 4;
/** Who says to hold a segment and does not send it is not asked for so long, and twice that next time. */
const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 120_000;

type SegmentKey = { variant: Variant; sequence: Sequence };

export class ReplayAvailability {
  #segments = new Map<MemberId, Map<string, SegmentKey>>();
  /** bytes that came from each */
  #deliveredBytes = new Map<MemberId, number>();
  #backoffs = new Map<MemberId, { until: number; ms: number }>();

  /** A member says that it holds a segment, or no longer does. */
  set(id: MemberId, where: SegmentKey, holds: boolean): void {
    const held = this.#segments.get(id) ?? new Map<string, SegmentKey>();
    this.#segments.set(id, held);
    if (!holds) held.delete(key(where));
    else if (held.size < MAX_SEGMENTS_PER_MEMBER) held.set(key(where), where);
  }

  holds(id: MemberId, where: SegmentKey): boolean {
    return this.#segments.get(id)?.has(key(where)) ?? false;
  }

  /** A member has brought so many bytes. */
  addDelivered(id: MemberId, bytes: number): void {
    this.#deliveredBytes.set(id, (this.#deliveredBytes.get(id) ?? 0) + bytes);
    this.#backoffs.delete(id);
  }

  /** A member sent nothing of what it says to hold. */
  markFailed(id: MemberId, now: number): void {
    const turnOf = this.#backoffs.get(id)?.ms ?? FIRST_BACKOFF_MS / 2;
    const ms = Math.min(MAX_BACKOFF_MS, 2 * turnOf);
    this.#backoffs.set(id, { until: now + ms, ms });
  }

  /**
   * Who holds a segment, and has brought least so far; null if nobody does.
   *
   * @param asker who wants it
   */
  bestHolder(
    where: SegmentKey,
    asker: MemberId,
    except: ReadonlySet<MemberId>,
    now: number,
  ): MemberId | null {
    const candidates = [...this.#segments.keys()].filter(
      (id) =>
        !except.has(id) && this.holds(id, where) && now >= (this.#backoffs.get(id)?.until ?? now),
    );
    const delivered = (id: MemberId): number => this.#deliveredBytes.get(id) ?? 0;
    // of several alike each viewer begins with another one
    const order = (id: MemberId): number => rank(where.sequence, where.variant, `${asker}/${id}`);
    return candidates.sort((a, b) => delivered(a) - delivered(b) || order(a) - order(b))[0] ?? null;
  }

  /**
   * How many members come before this viewer where one of all who are about to want a segment is to
   * fetch it from the store.
   */
  before(you: MemberId, where: SegmentKey): number {
    const place = (id: MemberId): number => rank(where.sequence, where.variant, id);
    const near = [...this.#segments].filter(([, held]) =>
      [...held.values()].some(
        ({ variant, sequence }) =>
          variant === where.variant && Math.abs(sequence - where.sequence) <= NEAR_SEGMENTS,
      ),
    );
    return near.filter(([id]) => place(id) < place(you)).length;
  }

  remove(id: MemberId): void {
    this.#segments.delete(id);
    this.#deliveredBytes.delete(id);
    this.#backoffs.delete(id);
  }
}

function key({ variant, sequence }: SegmentKey): string {
  return `${variant}/${sequence}`;
}
