/**
 * Serves other viewers of a replay: tells them which segments are here and sends pieces on request.
 */

import type { Mesh } from "../../webrtc/mesh";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";
import { encodeHave } from "../../protocol/frames";
import type { ReplaySegment } from "./segment-cache";

/** How many times a member may request each piece, on average over a segment. */
const MAX_SERVED = 2;

export class PieceServer {
  /** what members are waiting for: "<member>/<variant>/<sequence>" */
  #pending = new Set<string>();

  /** @param mesh null if this browser cannot share */
  constructor(private readonly mesh: Mesh | null) {}

  /**
   * Tell members that a segment is here, or no longer is. A viewer that does not upload stays
   * silent: members request what they are told of.
   */
  sendAvailability({ descriptor }: ReplaySegment, held: boolean, to?: readonly MemberId[]): void {
    const { mesh } = this;
    if (!mesh?.uploads) return;
    const frame = encodeHave(descriptor.variant, descriptor.sequence, held ? 1 : 0);
    for (const id of to ?? mesh.linked) mesh.send(id, frame);
  }

  /** Serve a piece that a member requested. */
  serve(segment: ReplaySegment, to: MemberId, index: number): void {
    const { descriptor, pieces, served } = segment;
    const servedBefore = served.get(to) ?? 0;
    if (!segment.verified || !pieces.has(index) || servedBefore >= MAX_SERVED * pieces.count)
      return;
    served.set(to, servedBefore + 1);
    const request = key(to, descriptor.variant, descriptor.sequence);
    this.#pending.add(request);
    const bytes = pieces.piece(index);
    this.mesh?.sendPiece(to, {
      descriptor,
      index,
      bytes,
      isStillWanted: () => this.#pending.has(request),
    });
  }

  /** A member has a segment, or no longer waits for it: cancel the pieces not sent yet. */
  cancel(id: MemberId, variant: Variant, sequence: Sequence): void {
    this.#pending.delete(key(id, variant, sequence));
  }

  linkLost(id: MemberId): void {
    for (const request of this.#pending)
      if (request.startsWith(`${id}/`)) this.#pending.delete(request);
  }
}

function key(id: MemberId, variant: Variant, sequence: Sequence): string {
  return `${id}/${variant}/${sequence}`;
}
