/** The members of the room, now and at the epochs of segments still in flight. */

import type { PlanMember } from "../protocol/plan";
import type { RosterEntry, MemberId, RosterMessage, Variant } from "../protocol/messages";

/** Epochs to keep. Segments refer only to the most recent ones. */
const MAX_EPOCHS = 64;
/**
 * Fraction of the links to the first roster that must be open before a new member may own slices.
 */
const READY_LINKS_FRACTION = 0.8;

/** What the plans of an epoch are computed from. */
interface Epoch {
  members: readonly RosterEntry[];
  originShare: number;
}

export class Roster {
  #current: RosterMessage | null = null;
  #epochs = new Map<number, Epoch>();
  #firstRoster: readonly MemberId[] = [];
  /** other members whose variant changed with the last roster */
  switched: readonly MemberId[] = [];

  /**
   * Apply a roster from signaling.
   *
   * @returns whether a new membership began: the first roster, or one after a rejoin
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
  /** Whether signaling counts this viewer among the members that may own slices. */
  get ready(): boolean {
    return this.#current?.members.some(({ id, ready }) => ready && id === this.you) ?? false;
  }
  /** The ids of all other members. */
  get others(): MemberId[] {
    const members = this.#current?.members ?? [];
    return members.map(({ id }) => id).filter((id) => id !== this.you);
  }
  /**
   * Whether a member may be playing this variant. True for members that no roster has named yet.
   */
  mayPlay(id: MemberId, variant: Variant): boolean {
    const member = this.#current?.members.find((entry) => entry.id === id);
    return member === undefined || member.variant === variant;
  }
  /** The members that were there when this viewer joined and still are: the ones it offers to. */
  get firstRoster(): MemberId[] {
    const { others } = this;
    return this.#firstRoster.filter((id) => others.includes(id));
  }

  /**
   * The inputs for planning a segment: the ready members of its variant, sorted by the bytes of
   * their ids, and the origin share. Null if the epoch is unknown.
   */
  planInputs(epoch: number, variant: Variant): { ready: PlanMember[]; originShare: number } | null {
    const state = this.#epochs.get(epoch);
    if (!state) return null;
    const ready = state.members
      .filter((member) => member.ready && member.variant === variant)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return { ready, originShare: state.originShare };
  }

  /** All members that play this variant now, ready or not. */
  membersOn(variant: Variant): readonly RosterEntry[] {
    return this.#current?.members.filter((member) => member.variant === variant) ?? [];
  }
}

/** The links of a new member, as far as its readiness depends on them. */
export interface LinkView {
  /** the members of its first roster that are still here */
  firstRoster: readonly MemberId[];
  /** all other members */
  others: readonly MemberId[];
  isOpen: (id: MemberId) => boolean;
  /** whether there is no link and none is to be expected soon */
  hasFailed: (id: MemberId) => boolean;
}

/**
 * Whether a new member may report `ready`. That is the case once 80 % of the links to its first
 * roster are open, not counting members that left or could not be reached. It is immediately ready
 * if all of them left; if none could be reached, one link to any member is enough.
 */
export function mayBeReady({ firstRoster, others, isOpen, hasFailed }: LinkView): boolean {
  if (firstRoster.length === 0) return true;
  const reachable = firstRoster.filter((id) => !hasFailed(id));
  if (reachable.length === 0) return others.some(isOpen);
  return reachable.filter(isOpen).length >= READY_LINKS_FRACTION * reachable.length;
}
