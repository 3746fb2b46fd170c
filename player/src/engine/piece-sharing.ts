/** The linked members: who is sent what, what they have, and what they are asked for. */

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

/** Members tell each other this often what they have of a segment that is late. */
const HAVE_INTERVAL_MS = 500;
/** A request that brings nothing for this long is made to somebody else. */
const REQUEST_TIMEOUT_MS = 1_000;
/** Where uplinks are short a piece takes so long; its receiver would have it from the store by then. */
const TRANSFER_MS = 400;
/** A member may ask for every piece so often. */
const MAX_SERVED = 2;

export interface PieceSharingOptions {
  mesh: Mesh;
  stats: Stats;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** all segments in memory */
  segments: () => Iterable<Segment>;
  /** whether members still help each other with a segment */
  isRecent: (segment: Segment) => boolean;
  /** fetches pieces in their owner's place, to be handed on */
  downloads: Pick<Downloads, "fetch" | "minOwnerMs">;
}

export class PieceSharing {
  #options: PieceSharingOptions;
  #expectedTime = new ExpectedTime();
  /** when a piece came last from a member, ms */
  #lastPieceAt = new Map<MemberId, number>();
  /** members that take no pieces now */
  #pausedMembers = new Set<MemberId>();

  constructor(options: PieceSharingOptions) {
    this.#options = options;
  }

  /** Linked members that play the segment's rendition. */
  membersFor({ descriptor }: Segment): MemberId[] {
    return this.#options.mesh.playing(descriptor.variant);
  }

  /** A member says whether it takes pieces. */
  setInterested(id: MemberId, interested: boolean): void {
    if (interested) this.#pausedMembers.delete(id);
    else this.#pausedMembers.add(id);
  }

  /** Push a piece to all who may lack it. */
  push(segment: Segment, index: number): void {
    this.#pushTo(segment, index, this.membersFor(segment));
  }

  /** Push a piece to those whom its owner cannot reach, where that is this viewer's part. */
  relay(segment: Segment, index: number): void {
    this.#pushTo(segment, index, segment.sliceOf(index)?.relayTo ?? []);
  }

  /** Tell members what is here; all of this rendition, if none are named. */
  sendAvailability(segment: Segment, to?: readonly MemberId[]): void {
    // who is told asks
    if (!this.#options.mesh.uploads) return;
    const { variant, sequence } = segment.descriptor;
    const frame = encodeHave(variant, sequence, segment.pieces.bitfield);
    for (const id of to ?? this.membersFor(segment)) this.#options.mesh.send(id, frame);
    if (!to) segment.availabilitySentAt = this.#options.now();
  }

  /** Send a piece that a member asked for. */
  serve(segment: Segment, to: MemberId, index: number): void {
    const { pieces, served } = segment;
    const before = served.get(to) ?? 0;
    if (!pieces.has(index) || before >= MAX_SERVED * pieces.count) return;
    served.set(to, before + 1);
    this.#send(segment, index, to);
  }

  /** A piece came from a member; when those come who push it tells when others should. */
  pieceArrived(segment: Segment, index: number, from: MemberId): void {
    const { announcedAt } = segment;
    this.#lastPieceAt.set(from, this.#options.now());
    if (announcedAt !== null && segment.sliceOf(index)?.pushedBy === from)
      this.#expectedTime.add(this.#options.now() - announcedAt);
  }

  /** A link is gone. */
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

  /** Ask for what is late, or fetch it in its owner's place. */
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
    // once: what does not come so is the next successor's
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

  /** Who did not answer in time is not asked again for this segment until it says what it has. */
  #expireRequests({ peerRequests, availability }: Segment, before: number): void {
    for (const [piece, { from, at }] of peerRequests) {
      if (at > before) continue;
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
