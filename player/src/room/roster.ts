/** Who is in the room, now and at the epochs that segments in flight were announced with. */

import type { PlanMember } from "../protocol/plan";
import type { RosterEntry, MemberId, RosterMessage, Variant } from "../protocol/messages";

/** Epochs kept; segments refer to the last few only. */
const MAX_EPOCHS = 64;
/** The part of the links to the first roster that must be open before a newcomer owns slices. */
const READY_LINKS_FRACTION = 0.8;

/** What the plans of an epoch follow from. */
interface Epoch {
  members: readonly RosterEntry[];
  originShare: number;
}

export class Roster {
  #current: RosterMessage | null = null;
  #epochs = new Map<number, Epoch>();
  #firstRoster: readonly MemberId[] = [];
  /** the others who play another rendition than in the roster before */
  switched: readonly MemberId[] = [];

  /**
   * Take the roster that signaling sent.
   *
   * @returns whether this is a new membership: the first roster, or one after a rejoin
   */
  apply(message: RosterMessage): boolean {
    const before = this.#current;
    const joined = message.you !== before?.you || message.room !== before.room;
    const previousVariants = new Map(
      joined ? [] : before.members.map(({ id, variant }) => [id, variant]),
    );
    this.switched = message.members
      .filter(
        ({ id, variant }) =>
          id !== message.you && (previousVariants.get(id) ?? variant) !== variant,
      )
      .map(({ id }) => id);
    this.#current = message;
    if (joined) {
      this.#epochs.clear();
      this.#firstRoster = this.others;
    }
    this.#epochs.set(message.epoch, message);
    for (const epoch of this.#epochs.keys()) {
      if (this.#epochs.size <= MAX_EPOCHS) break;
      this.#epochs.delete(epoch);
    }
    return joined;
  }

  get you(): MemberId | null {
    return this.#current?.you ?? null;
  }
  get room(): string | null {
    return this.#current?.room ?? null;
  }
  get epoch(): number | null {
    return this.#current?.epoch ?? null;
  }
  get size(): number {
    return this.#current?.members.length ?? 0;
  }
  /** Whether signaling counts this viewer among those that can own slices. */
  get ready(): boolean {
    return this.#current?.members.some(({ id, ready }) => ready && id === this.you) ?? false;
  }
  /** Everybody else who is in the room now. */
  get others(): MemberId[] {
    const members = this.#current?.members ?? [];
    return members.map(({ id }) => id).filter((id) => id !== this.you);
  }
  /** Whether a member plays this rendition; one that no roster named yet may. */
  mayPlay(id: MemberId, variant: Variant): boolean {
    const member = this.#current?.members.find((one) => one.id === id);
    return member === undefined || member.variant === variant;
  }
  /** The members that were there when this viewer came, and still are: those it calls. */
  get firstRoster(): MemberId[] {
    const { others } = this;
    return this.#firstRoster.filter((id) => others.includes(id));
  }

  /**
   * The members that a segment of this epoch is planned with, sorted by the bytes of their ids (ids
   * are ASCII, so sorting by UTF-16 code units is the same), and the part that is left to the store;
   * null if the epoch is not known.
   */
  planInputs(epoch: number, variant: Variant): { ready: PlanMember[]; originShare: number } | null {
    const known = this.#epochs.get(epoch);
    if (!known) return null;
    const ready = known.members
      .filter((member) => member.ready && member.variant === variant)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return { ready, originShare: known.originShare };
  }

  /** Everybody who plays this rendition now, ready or not. */
  membersOn(variant: Variant): readonly RosterEntry[] {
    return this.#current?.members.filter((member) => member.variant === variant) ?? [];
  }
}

/** Whom a newcomer is to be linked to. */
export interface LinkView {
  /** of its first roster, those that are still here */
  firstRoster: readonly MemberId[];
  /** everybody who is here */
  others: readonly MemberId[];
  isOpen: (id: MemberId) => boolean;
  /** whether there is no link, and none to be expected soon */
  hasFailed: (id: MemberId) => boolean;
}

/**
 * Whether a newcomer may say `ready`: at least 80 % of its links to those of its first roster that
 * are still here are open, not counting those that failed; at once when nobody of them is here; when
 * all of them failed, as soon as there is a link to anybody.
 */
export function mayBeReady({ firstRoster, others, isOpen, hasFailed }: LinkView): boolean {
  if (firstRoster.length === 0) return true;
  const reachable = firstRoster.filter((id) => !hasFailed(id));
  if (reachable.length === 0) return others.some(isOpen);
  return reachable.filter(isOpen).length >= READY_LINKS_FRACTION * reachable.length;
}
