/** A viewer's figures over all the engines that a page has had. Pure. */

import type { SourceBytes } from "../protocol/messages";
import type { Stats } from "../engine/stats";

/** Counters that only rise. */
export type Totals = Pick<Stats["total"], "bytes" | "startup" | "uploaded" | "stalls"> & {
  segments: Stats["segments"];
};

/** What an engine counted. */
export function totalsOf({ total, segments }: Pick<Stats, "total" | "segments">): Totals {
  return structuredClone({ ...total, segments });
}

export function sum(a: Totals, b: Totals): Totals {
  return {
    bytes: bytes(a.bytes, b.bytes),
    startup: bytes(a.startup, b.startup),
    uploaded: a.uploaded + b.uploaded,
    stalls: a.stalls + b.stalls,
    segments: {
      complete: a.segments.complete + b.segments.complete,
      deadline_fetches: a.segments.deadline_fetches + b.segments.deadline_fetches,
      duplicates: a.segments.duplicates + b.segments.duplicates,
      bad_pieces: a.segments.bad_pieces + b.segments.bad_pieces,
      requested: a.segments.requested + b.segments.requested,
      stepped_in: a.segments.stepped_in + b.segments.stepped_in,
    },
  };
}

function bytes(a: SourceBytes, b: SourceBytes): SourceBytes {
  return { p2p: a.p2p + b.p2p, store: a.store + b.store, seed: a.seed + b.seed };
}
