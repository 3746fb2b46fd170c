/** What is exchanged with linked members: pieces pushed, served and requested, and who has what. */

import type { Mesh } from "../webrtc/mesh";
import type { Downloads } from "./downloads";
import { rangesOf } from "./segment";
import type { MemberId } from "../protocol/messages";
import { repair } from "./repair";
import { ExpectedTime } from "./source-health";
import { isPastPeerDeadline } from "./deadline";
import type { Segment } from "./segment";
import type { Stats } from "./stats";
import { encodeHave, encodeRequest } from "../protocol/frames";

/** How often a viewer tells the members what it has of a late segment. */
const HAVE_INTERVAL_MS = 500;
/** A request unanswered for this long is made to another member. */
const REQUEST_TIMEOUT_MS = 1_000;
/**
 * How long a piece takes where uplinks are short. By then the receiver would have it from the
 * store.
 */
const TRANSFER_MS = 400;
/** How many times a member may request each piece. */
const MAX_SERVED = 2;

export interface PieceSharingOptions {
  mesh: Mesh;
  stats: Stats;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** all cached segments */
  segments: () => Iterable<Segment>;
  /** whether members still exchange pieces of a segment */
  isRecent: (segment: Segment) => boolean;
  /** fetches pieces as a successor, which are then pushed */
  downloads: Pick<Downloads, "fetch" | "minOwnerMs">;
}

export class PieceSharing {
  #options: PieceSharingOptions;
  #expectedTime = new ExpectedTime();
  /** when a member last delivered a piece, ms */
  #lastPieceAt = new Map<MemberId, number>();
  /** members that take no pieces at the moment */
  #pausedMembers = new Set<MemberId>();

  constructor(options: PieceSharingOptions) {
    this.#options = options;
  }

  /** Linked members that play the segment's variant. */
  membersFor({ descriptor }: Segment): MemberId[] {
    return this.#options.mesh.playing(descriptor.variant);
  }

  /** A member reports whether it is interested in pieces. */
  setInterested(id: MemberId, interested: boolean): void {
    if (interested) this.#pausedMembers.delete(id);
    else this.#pausedMembers.add(id);
  }

  /** Push a piece to all members that may lack it. */
  push(segment: Segment, index: number): void {
    this.#pushTo(segment, index, this.membersFor(segment));
  }

  /** Relay a piece to the members without a link to its owner, if that is this viewer's duty. */
  relay(segment: Segment, index: number): void {
    this.#pushTo(segment, index, segment.sliceOf(index)?.relayTo ?? []);
  }

  /** Send this viewer's availability to these members; by default, to all of its variant. */
  sendAvailability(segment: Segment, to?: readonly MemberId[]): void {
    // members request what they are told of, so do not tell them if this viewer does not upload
    if (!this.#options.mesh.uploads) return;
    const { variant, sequence } = segment.descriptor;
    const frame = encodeHave(variant, sequence, segment.pieces.bitfield);
    for (const id of to ?? this.membersFor(segment)) this.#options.mesh.send(id, frame);
    if (!to) segment.availabilitySentAt = this.#options.now();
  }

  /** Serve a piece that a member requested. */
  serve(segment: Segment, to: MemberId, index: number): void {
    const { pieces, served } = segment;
    const servedBefore = served.get(to) ?? 0;
    if (!pieces.has(index) || servedBefore >= MAX_SERVED * pieces.count) return;
    served.set(to, servedBefore + 1);
    this.#send(segment, index, to);
  }

  /** A piece arrived from a member. Pushed pieces are samples for when others should arrive. */
  pieceArrived(segment: Segment, index: number, from: MemberId): void {
    const { announcedAt } = segment;
    this.#lastPieceAt.set(from, this.#options.now());
    if (announcedAt !== null && segment.sliceOf(index)?.pushedBy === from)
      this.#expectedTime.add(this.#options.now() - announcedAt);
  }

  /** A link was lost. */
  linkLost(id: MemberId): void {
    this.#pausedMembers.delete(id);
    this.#lastPieceAt.delete(id);
    for (const segment of this.#options.segments()) {
      segment.availability.delete(id);
      segment.served.delete(id);
      for (const [piece, { from }] of segment.peerRequests)
        if (from === id) segment.peerRequests.delete(piece);
    }
  }

  /** Request late pieces from members, or fetch them as a successor. */
  repair(segment: Segment): void {
    const { mesh, stats } = this.#options;
    const you = this.#options.you();
    const { announcedAt, pieces, slices, peerRequests, descriptor } = segment;
    if (you === null || announcedAt === null) return;
    const now = this.#options.now();
    const elapsedMs = now - announcedAt;
    const expectedMs = Math.max(this.#expectedTime.ms, this.#options.downloads.minOwnerMs(segment));
    this.#expireRequests(segment, now - Math.max(REQUEST_TIMEOUT_MS, expectedMs));
    if (elapsedMs >= expectedMs && now - segment.availabilitySentAt >= HAVE_INTERVAL_MS)
      this.sendAvailability(segment);
    const members = this.membersFor(segment);
    const interested = members.filter((id) => !this.#pausedMembers.has(id));
    const { requests, successorPieces } = repair({
      you,
      elapsedMs,
      expectedMs,
      slices,
      missing: pieces
        .missing()
        .filter((i) => !segment.hasLiveStoreAttempt(i) && !peerRequests.has(i)),
      isPushExpected: ({ pushedBy }) => (mesh.openedAt(pushedBy) ?? Infinity) <= announcedAt,
      quietMs: ({ pushedBy }) => now - (this.#lastPieceAt.get(pushedBy) ?? -Infinity),
      holders: (piece) => members.filter((id) => segment.isHeldBy(id, piece)),
      lackingCount: (piece) => interested.filter((id) => !segment.isHeldBy(id, piece)).length,
      interestedCount: interested.length,
      openRequests: (id) => this.#openRequestsTo(id),
    });
    for (const { piece, from } of requests) {
      peerRequests.set(piece, { from, at: now });
      stats.segments.requested += 1;
      mesh.send(from, encodeRequest(descriptor.variant, descriptor.sequence, piece));
    }
    // only once: if this attempt fails, the next successor steps in
    for (const range of rangesOf(
      successorPieces.filter((piece) => !segment.successorDuties.has(piece)),
    )) {
      for (let index = range.first; index < range.end; index += 1)
        segment.successorDuties.add(index);
      stats.segments.stepped_in += range.end - range.first;
      this.#options.downloads.fetch(segment, range, "successor");
    }
  }

  #pushTo(segment: Segment, index: number, to: readonly MemberId[]): void {
    for (const id of to)
      if (!segment.isHeldBy(id, index) && !this.#pausedMembers.has(id))
        this.#send(segment, index, id);
  }

  #send(segment: Segment, index: number, to: MemberId): void {
    const { descriptor, pieces } = segment;
    this.#options.mesh.sendPiece(to, {
      descriptor,
      index,
      bytes: pieces.piece(index),
      isStillWanted: () => this.#isStillWanted(segment, index, to),
    });
  }

  #isStillWanted(segment: Segment, index: number, to: MemberId): boolean {
    const tooLate = isPastPeerDeadline(segment, this.#options.now() + TRANSFER_MS);
    return (
      !tooLate &&
      !segment.isHeldBy(to, index) &&
      !this.#pausedMembers.has(to) &&
      this.#options.isRecent(segment)
    );
  }

  /**
   * Drop requests that were not answered in time. The member is not asked again for this segment
   * until it sends its availability.
   */
  #expireRequests({ peerRequests, availability }: Segment, sentBefore: number): void {
    for (const [piece, { from, at }] of peerRequests) {
      if (at > sentBefore) continue;
      peerRequests.delete(piece);
      availability.delete(from);
    }
  }

  #openRequestsTo(id: MemberId): number {
    let count = 0;
    for (const { peerRequests } of this.#options.segments())
      for (const { from } of peerRequests.values()) if (from === id) count += 1;
    return count;
  }
}
