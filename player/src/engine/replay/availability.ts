/** What the other viewers of a replay say that they hold. No I/O. */

import { rank } from "../../protocol/plan";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";

/** Honest members hold fewer segments than this: docs/protocol.md, "Replays". */
const MAX_HOLDINGS = 256;
/** Who holds a segment so near to another one is likely to want that one, too. */
const NEAR_SEGMENTS = 4;
/** Who says to hold a segment and does not send it is not asked for so long, and twice that next time. */
const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 120_000;

type Where = { variant: Variant; sequence: Sequence };

export class Holders {
  #holdings = new Map<MemberId, Map<string, Where>>();
  /** bytes that came from each */
  #brought = new Map<MemberId, number>();
  #paused = new Map<MemberId, { until: number; ms: number }>();

  /** A member says that it holds a segment, or no longer does. */
  say(id: MemberId, where: Where, holds: boolean): void {
    const held = this.#holdings.get(id) ?? new Map<string, Where>();
    this.#holdings.set(id, held);
    if (!holds) held.delete(key(where));
    else if (held.size < MAX_HOLDINGS) held.set(key(where), where);
  }

  holds(id: MemberId, where: Where): boolean {
    return this.#holdings.get(id)?.has(key(where)) ?? false;
  }

  /** A member has brought so many bytes. */
  brought(id: MemberId, bytes: number): void {
    this.#brought.set(id, (this.#brought.get(id) ?? 0) + bytes);
    this.#paused.delete(id);
  }

  /** A member sent nothing of what it says to hold. */
  failed(id: MemberId, now: number): void {
    const before = this.#paused.get(id)?.ms ?? FIRST_PAUSE_MS / 2;
    const ms = Math.min(MAX_PAUSE_MS, 2 * before);
    this.#paused.set(id, { until: now + ms, ms });
  }

  /**
   * Who holds a segment, and has brought least so far; null if nobody does.
   *
   * @param asker who wants it
   */
  best(where: Where, asker: MemberId, except: ReadonlySet<MemberId>, now: number): MemberId | null {
    const candidates = [...this.#holdings.keys()].filter(
      (id) =>
        !except.has(id) && this.holds(id, where) && now >= (this.#paused.get(id)?.until ?? now),
    );
    const brought = (id: MemberId): number => this.#brought.get(id) ?? 0;
    // of several alike each viewer begins with another one
    const order = (id: MemberId): number => rank(where.sequence, where.variant, `${asker}/${id}`);
    return candidates.sort((a, b) => brought(a) - brought(b) || order(a) - order(b))[0] ?? null;
  }

  /**
   * How many members come before this viewer where one of all who are about to want a segment is to
   * fetch it from the store.
   */
  before(you: MemberId, where: Where): number {
    const place = (id: MemberId): number => rank(where.sequence, where.variant, id);
    const near = [...this.#holdings].filter(([, held]) =>
      [...held.values()].some(
        ({ variant, sequence }) =>
          variant === where.variant && Math.abs(sequence - where.sequence) <= NEAR_SEGMENTS,
      ),
    );
    return near.filter(([id]) => place(id) < place(you)).length;
  }

  forget(id: MemberId): void {
    this.#holdings.delete(id);
    this.#brought.delete(id);
    this.#paused.delete(id);
  }
}

function key({ variant, sequence }: Where): string {
  return `${variant}/${sequence}`;
}
