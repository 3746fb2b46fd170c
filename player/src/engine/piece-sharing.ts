/** The linked members: who is sent what, what they have, and what they are asked for. */

import type { Mesh } from "../webrtc/mesh";
import type { Fetcher } from "./downloads";
import { rangesOf } from "./segment";
import type { MemberId } from "../protocol/messages";
import { repair } from "./repair";
import { ExpectedTime } from "./source-health";
import { isOverdue } from "./deadline";
import type { Segment } from "./segment";
import type { Stats } from "./stats";
import { encodeHave, encodeRequest } from "../protocol/frames";

/** Members tell each other this often what they have of a segment that is late. */
const HAVE_INTERVAL_MS = 500;
/** A request that brings nothing for this long is made to somebody else. */
const REQUEST_TIMEOUT_MS = 1_000;
/** Where uplinks are short a piece takes so long; its receiver would have it from the store by then. */
const UNDER_WAY_MS = 400;
/** A member may ask for every piece so often. */
const MAX_SERVED = 2;

export interface NeighboursOptions {
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
  fetcher: Pick<Fetcher, "fetch" | "leadMs">;
}

export class Neighbours {
  #o: NeighboursOptions;
  #expectedTime = new ExpectedTime();
  /** when a piece came last from a member, ms */
  #heardAt = new Map<MemberId, number>();
  /** members that take no pieces now */
  #sated = new Set<MemberId>();

  constructor(options: NeighboursOptions) {
    this.#o = options;
  }

  /** Linked members that play the segment's rendition. */
  of({ descriptor }: Segment): MemberId[] {
    return this.#o.mesh.playing(descriptor.variant);
  }

  /** A member says whether it takes pieces. */
  takes(id: MemberId, pieces: boolean): void {
    if (pieces) this.#sated.delete(id);
    else this.#sated.add(id);
  }

  /** Push a piece to all who may lack it. */
  handOn(segment: Segment, index: number): void {
    this.#push(segment, index, this.of(segment));
  }

  /** Push a piece to those whom its owner cannot reach, where that is this viewer's part. */
  relay(segment: Segment, index: number): void {
    this.#push(segment, index, segment.sliceOf(index)?.relayTo ?? []);
  }

  /** Tell members what is here; all of this rendition, if none are named. */
  tell(segment: Segment, to?: readonly MemberId[]): void {
    // who is told asks
    if (!this.#o.mesh.uploads) return;
    const { variant, sequence } = segment.descriptor;
    const frame = encodeHave(variant, sequence, segment.pieces.bits);
    for (const id of to ?? this.of(segment)) this.#o.mesh.send(id, frame);
    if (!to) segment.toldAt = this.#o.now();
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
  came(segment: Segment, index: number, from: MemberId): void {
    const { announcedAt } = segment;
    this.#heardAt.set(from, this.#o.now());
    if (announcedAt !== null && segment.sliceOf(index)?.pushedBy === from)
      this.#expectedTime.add(this.#o.now() - announcedAt);
  }

  /** A link is gone. */
  lost(id: MemberId): void {
    this.#sated.delete(id);
    this.#heardAt.delete(id);
    for (const segment of this.#o.segments()) {
      segment.haves.delete(id);
      segment.served.delete(id);
      for (const [piece, { from }] of segment.requested)
        if (from === id) segment.requested.delete(piece);
    }
  }

  /** Ask for what is late, or fetch it in its owner's place. */
  repair(segment: Segment): void {
    const { mesh, stats } = this.#o;
    const you = this.#o.you();
    const { announcedAt, pieces, slices, requested, descriptor } = segment;
    if (you === null || announcedAt === null) return;
    const now = this.#o.now();
    const elapsedMs = now - announcedAt;
    const expectedMs = Math.max(this.#expectedTime.ms, this.#o.fetcher.leadMs(segment));
    this.#forgetOldRequests(segment, now - Math.max(REQUEST_TIMEOUT_MS, expectedMs));
    if (elapsedMs >= expectedMs && now - segment.toldAt >= HAVE_INTERVAL_MS) this.tell(segment);
    const members = this.of(segment);
    const hungry = members.filter((id) => !this.#sated.has(id));
    const { requests, stepIn } = repair({
      you,
      elapsedMs,
      expectedMs,
      slices,
      missing: pieces.missing().filter((i) => !segment.isComing(i) && !requested.has(i)),
      pushed: ({ pushedBy }) => (mesh.openedAt(pushedBy) ?? Infinity) <= announcedAt,
      silentMs: ({ pushedBy }) => now - (this.#heardAt.get(pushedBy) ?? -Infinity),
      holders: (piece) => members.filter((id) => segment.isAt(id, piece)),
      lacking: (piece) => hungry.filter((id) => !segment.isAt(id, piece)).length,
      linked: hungry.length,
      busy: (id) => this.#requestsTo(id),
    });
    for (const { piece, from } of requests) {
      requested.set(piece, { from, at: now });
      stats.segments.requested += 1;
      mesh.send(from, encodeRequest(descriptor.variant, descriptor.sequence, piece));
    }
    // once: what does not come so is the next successor's
    for (const range of rangesOf(stepIn.filter((piece) => !segment.steppedIn.has(piece)))) {
      for (let index = range.first; index < range.end; index += 1) segment.steppedIn.add(index);
      stats.segments.stepped_in += range.end - range.first;
      this.#o.fetcher.fetch(segment, range, "successor");
    }
  }

  #push(segment: Segment, index: number, to: readonly MemberId[]): void {
    for (const id of to)
      if (!segment.isAt(id, index) && !this.#sated.has(id)) this.#send(segment, index, id);
  }

  #send(segment: Segment, index: number, to: MemberId): void {
    const { descriptor, pieces } = segment;
    this.#o.mesh.sendPiece(to, {
      descriptor,
      index,
      bytes: pieces.piece(index),
      wanted: () => this.#isWanted(segment, index, to),
    });
  }

  #isWanted(segment: Segment, index: number, to: MemberId): boolean {
    const tooLate = isOverdue(segment, this.#o.now() + UNDER_WAY_MS);
    return (
      !tooLate && !segment.isAt(to, index) && !this.#sated.has(to) && this.#o.isRecent(segment)
    );
  }

  /** Who did not answer in time is not asked again for this segment until it says what it has. */
  #forgetOldRequests({ requested, haves }: Segment, before: number): void {
    for (const [piece, { from, at }] of requested) {
      if (at > before) continue;
      requested.delete(piece);
      haves.delete(from);
    }
  }

  #requestsTo(id: MemberId): number {
    let count = 0;
    for (const { requested } of this.#o.segments())
      for (const { from } of requested.values()) if (from === id) count += 1;
    return count;
  }
}
