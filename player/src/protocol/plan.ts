/** The slice plan: who fetches which pieces of a segment. docs/protocol.md, "Plan". */

import type { MemberId, Sequence } from "./messages";

/** The part of a segment that everybody fetches for itself is so many thirty-seconds. */
export const ORIGIN_SHARE_UNITS = 32;
const SUCCESSORS = 2;

/** Pieces from `first` up to, not including, `end`. */
export interface PieceRange {
  first: number;
  end: number;
}
export interface Slice extends PieceRange {
  owner: MemberId;
  /** members that step in for the owner, the first one first */
  successors: readonly MemberId[];
}
/** A member of the room, as far as plans go. */
export interface PlanMember {
  id: MemberId;
  /** quarters: 4, 2, 1, or 0 for who receives only */
  weight: number;
  /** members that it has no link to */
  unreachable: readonly MemberId[];
}

/** How many pieces are shared out; the store brings everybody the ones after them. */
export function sharedPieces(pieces: number, originShare: number): number {
  return pieces - Math.floor((pieces * originShare) / ORIGIN_SHARE_UNITS);
}

/**
 * Cut a segment into slices by the members' weights. Integers only: every member of a room, and
 * signaling, must come to the same plan.
 *
 * @param ready the ready members of the segment's variant, sorted by the bytes of their ids
 * @param size bytes of the segment
 * @param originShare the room's part for the store, in `STORE_PARTS`
 */
export function plan(
  ready: readonly PlanMember[],
  sequence: Sequence,
  size: number,
  pieceSize: number,
  originShare = 0,
): Slice[] {
  const uploaders = ready.filter(({ weight }) => weight > 0);
  const pieces = sharedPieces(Math.ceil(size / pieceSize), originShare);
  const total = uploaders.reduce((sum, { weight }) => sum + weight, 0);
  const slices: Slice[] = [];
  let before = 0;
  for (let k = 0; k < uploaders.length; k += 1) {
    // the sequence turns the wheel, so that with fewer pieces than members all take their turns
    const owner = uploaders[(k + sequence) % uploaders.length];
    if (!owner) break;
    const first = Math.floor((pieces * before) / total);
    before += owner.weight;
    const end = Math.floor((pieces * before) / total);
    if (first === end) continue;
    const others = uploaders.filter((member) => member !== owner).map(({ id }) => id);
    const successors = ranked(others, sequence, first).slice(0, SUCCESSORS);
    slices.push({ first, end, owner: owner.id, successors });
  }
  return slices;
}

/**
 * Who passes a slice on to a receiver without a link to its owner: the able member of lowest rank
 * with links to both; null when the owner's link is there, or nobody has both.
 *
 * @param members those that the segment is planned with
 */
export function relay(
  members: readonly PlanMember[],
  sequence: Sequence,
  { first, owner: ownerId }: Slice,
  receiver: PlanMember,
): MemberId | null {
  const owner = members.find(({ id }) => id === ownerId);
  if (!owner || receiver.id === ownerId || !cannotReach(owner, receiver)) return null;
  const candidates = members.filter(
    (member) =>
      member.weight > 0 &&
      member.id !== ownerId &&
      member.id !== receiver.id &&
      !cannotReach(member, owner) &&
      !cannotReach(member, receiver),
  );
  return (
    ranked(
      candidates.map(({ id }) => id),
      sequence,
      first,
    )[0] ?? null
  );
}

/** Whether two members have no link; it takes one of them to say so. */
function cannotReach(one: PlanMember, other: PlanMember): boolean {
  return one.unreachable.includes(other.id) || other.unreachable.includes(one.id);
}

/** Members by their place for a slice. */
function ranked(members: readonly MemberId[], sequence: Sequence, first: number): MemberId[] {
  const places = new Map(members.map((id) => [id, rank(sequence, first, id)]));
  const place = (id: MemberId): number => places.get(id) ?? 0;
  return [...members].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** A member's place for a slice: 32 bits that everybody computes alike (FNV-1a, mixed). */
export function rank(sequence: Sequence, first: number, member: MemberId): number {
  let value = 0x811c9dc5;
  for (const character of `${sequence}/${first}/${member}`)
    value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
