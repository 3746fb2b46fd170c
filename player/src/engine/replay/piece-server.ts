/** What this viewer of a replay gives to others: word of what it holds, and pieces on request. */

import type { Mesh } from "../../webrtc/mesh";
import type { MemberId, Sequence, Variant } from "../../protocol/messages";
import { encodeHave } from "../../protocol/frames";
import type { ReplaySegment } from "./segment-cache";

/** A member may ask for every piece so often. */
const MAX_SERVED = 2;

export class PieceServer {
  /** what members wait for: "<member>/<rendition>/<sequence>" */
  #pending = new Set<string>();

  /** @param mesh null where nothing can be shared */
  constructor(private readonly mesh: Mesh | null) {}

  /** Tell members whether a segment is here; who is told asks, so who sends nothing says nothing. */
  sendAvailability({ descriptor }: ReplaySegment, held: boolean, to?: readonly MemberId[]): void {
    const { mesh } = this;
    if (!mesh?.uploads) return;
    const frame = encodeHave(descriptor.variant, descriptor.sequence, held ? 1 : 0);
    for (const id of to ?? mesh.linked) mesh.send(id, frame);
  }

  /** A member asks for a piece. */
  serve(segment: ReplaySegment, to: MemberId, index: number): void {
    const { descriptor, pieces, served } = segment;
    const before = served.get(to) ?? 0;
    if (!segment.verified || !pieces.has(index) || before >= MAX_SERVED * pieces.count) return;
    served.set(to, before + 1);
    const open = key(to, descriptor.variant, descriptor.sequence);
    this.#pending.add(open);
    const bytes = pieces.piece(index);
    this.mesh?.sendPiece(to, {
      descriptor,
      index,
      bytes,
      isStillWanted: () => this.#pending.has(open),
    });
  }

  /** A member has a segment, or waits for it no longer: what is not sent yet stays here. */
  cancel(id: MemberId, variant: Variant, sequence: Sequence): void {
    this.#pending.delete(key(id, variant, sequence));
  }

  linkLost(id: MemberId): void {
    for (const open of this.#pending) if (open.startsWith(`${id}/`)) this.#pending.delete(open);
  }
}

function key(id: MemberId, variant: Variant, sequence: Sequence): string {
  return `${id}/${variant}/${sequence}`;
}
