/** Which segments of a replay the other viewers have, and whom to ask. No I/O. */

import { rank } from "../../protocol/plan";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";

/**
 * Limit on the segments kept per member. Honest members have fewer: docs/protocol.md, "Replays".
 */
const MAX_SEGMENTS_PER_MEMBER = 256;
/** A member with a segment this close to another one will probably want that one, too. */
const NEAR_SEGMENTS = 4;
/** A member that does not deliver what it has is not asked for this long; doubled each time. */
const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 120_000;

type SegmentKey = { variant: Variant; sequence: Sequence };

export class ReplayAvailability {
  #segments = new Map<MemberId, Map<string, SegmentKey>>();
  /** bytes delivered by each member */
  #deliveredBytes = new Map<MemberId, number>();
  #backoffs = new Map<MemberId, { until: number; ms: number }>();

  /** A member reports that it has a segment, or no longer does. */
  set(id: MemberId, segment: SegmentKey, holds: boolean): void {
    const segments = this.#segments.get(id) ?? new Map<string, SegmentKey>();
    this.#segments.set(id, segments);
    if (!holds) segments.delete(key(segment));
    else if (segments.size < MAX_SEGMENTS_PER_MEMBER) segments.set(key(segment), segment);
  }

  holds(id: MemberId, segment: SegmentKey): boolean {
    return this.#segments.get(id)?.has(key(segment)) ?? false;
  }

  /** A member has delivered this many bytes. */
  addDelivered(id: MemberId, bytes: number): void {
    this.#deliveredBytes.set(id, (this.#deliveredBytes.get(id) ?? 0) + bytes);
    this.#backoffs.delete(id);
  }

  /** A member did not deliver a segment that it has. */
  markFailed(id: MemberId, now: number): void {
    const previousMs = this.#backoffs.get(id)?.ms ?? FIRST_BACKOFF_MS / 2;
    const ms = Math.min(MAX_BACKOFF_MS, 2 * previousMs);
    this.#backoffs.set(id, { until: now + ms, ms });
  }

  /**
   * The holder of a segment that has delivered least so far; null if there is none.
   *
   * @param asker the member that wants the segment
   */
  bestHolder(
    segment: SegmentKey,
    asker: MemberId,
    except: ReadonlySet<MemberId>,
    now: number,
  ): MemberId | null {
    const candidates = [...this.#segments.keys()].filter(
      (id) =>
        !except.has(id) && this.holds(id, segment) && now >= (this.#backoffs.get(id)?.until ?? now),
    );
    const delivered = (id: MemberId): number => this.#deliveredBytes.get(id) ?? 0;
    // break ties differently for each viewer
    const order = (id: MemberId): number =>
      rank(segment.sequence, segment.variant, `${asker}/${id}`);
    return candidates.sort((a, b) => delivered(a) - delivered(b) || order(a) - order(b))[0] ?? null;
  }

  /**
   * This viewer's turn for fetching a segment from the store: how many of the members that will
   * want it, too, go before.
   */
  turnOf(you: MemberId, segment: SegmentKey): number {
    const order = (id: MemberId): number => rank(segment.sequence, segment.variant, id);
    const near = [...this.#segments].filter(([, held]) =>
      [...held.values()].some(
        ({ variant, sequence }) =>
          variant === segment.variant && Math.abs(sequence - segment.sequence) <= NEAR_SEGMENTS,
      ),
    );
    return near.filter(([id]) => order(id) < order(you)).length;
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
