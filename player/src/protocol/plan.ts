/**
 * The slice plan: which member fetches which pieces of a segment. Specified in docs/protocol.md,
 * "Plan".
 */

import type { MemberId, Sequence } from "./messages";

/** The origin share counts thirty-seconds of a segment. */
const ORIGIN_SHARE_UNITS = 32;
const SUCCESSORS = 2;

/** Pieces from `first` (inclusive) to `end` (exclusive). */
export interface PieceRange {
  first: number;
  end: number;
}
export interface Slice extends PieceRange {
  owner: MemberId;
  /** members that step in for a late owner, in order */
  successors: readonly MemberId[];
}
/** What the plan needs to know about a member. */
export interface PlanMember {
  id: MemberId;
  /** upload weight in quarters of a full share: 4, 2, 1, or 0 if the member only receives */
  weight: number;
  /** members it has no link to */
  unreachable: readonly MemberId[];
}

/**
 * How many pieces are planned. Every member fetches the remaining ones, at the end of the segment,
 * from the store.
 */
export function sharedPieces(pieces: number, originShare: number): number {
  return pieces - Math.floor((pieces * originShare) / ORIGIN_SHARE_UNITS);
}

/**
 * Divide a segment into slices in proportion to the members' upload weights. Uses integers only:
 * all members of a room, and signaling, must compute the same plan.
 *
 * @param ready the ready members of the segment's variant, sorted by the bytes of their ids
 * @param size bytes of the segment
 * @param originShare the room's origin share, in `ORIGIN_SHARE_UNITS`
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
    // rotate by sequence, so that all members take turns when there are fewer pieces than members
    const owner = uploaders[(k + sequence) % uploaders.length];
    if (!owner) break;
    const first = Math.floor((pieces * before) / total);
    before += owner.weight;
    const end = Math.floor((pieces * before) / total);
    if (first === end) continue;
    const candidates = uploaders.filter((member) => member !== owner).map(({ id }) => id);
    const successors = ranked(candidates, sequence, first).slice(0, SUCCESSORS);
    slices.push({ first, end, owner: owner.id, successors });
  }
  return slices;
}

/**
 * The member that relays a slice to a receiver without a link to the owner: the uploading member of
 * lowest rank that has links to both. Null if the owner is linked, or if no member has both links.
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

/** Whether two members have no link. It is enough that one of them says so. */
function cannotReach(a: PlanMember, b: PlanMember): boolean {
  return a.unreachable.includes(b.id) || b.unreachable.includes(a.id);
}

/** Members sorted by their rank for a slice. */
function ranked(members: readonly MemberId[], sequence: Sequence, first: number): MemberId[] {
  const places = new Map(members.map((id) => [id, rank(sequence, first, id)]));
  const place = (id: MemberId): number => places.get(id) ?? 0;
  return [...members].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/**
 * A member's rank for a slice: 32 bits that every member computes alike (FNV-1a with a final mix).
 */
export function rank(sequence: Sequence, first: number, member: MemberId): number {
  let value = 0x811c9dc5;
  for (const character of `${sequence}/${first}/${member}`)
    value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
