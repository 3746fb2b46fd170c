/** `window.shoal.stats()`: the page's statistics, for operators and tests. */

import type { Engine } from "../engine/engine";
import type { SourceBytes } from "../protocol/messages";
import { share } from "../engine/stats";
import type { Totals } from "./engine-host";
import type { LivePlayer } from "../hls/live-player";

export interface Snapshot {
  /** this viewer's id and room; null while it is in no room */
  id: string | null;
  room: string | null;
  epoch: number | null;
  ready: boolean;
  /** members of the room, including this viewer */
  members: number;
  /** members to whom the last connection attempt failed */
  unreachable: number;
  /** open links to other viewers */
  peers: number;
  /** bytes received since the page was opened, by source */
  bytes: SourceBytes;
  /** the part of `bytes` from before this viewer could share */
  startup: SourceBytes;
  uploaded: number;
  /** peer bytes ÷ all bytes, without start-up, 0 to 1; null before the first byte */
  share: number | null;
  stalls: number;
  latency_s: number | null;
  first_picture_ms: number | null;
  completion_ms: { median: number | null; worst: number | null };
  segments: {
    complete: number;
    deadline_fetches: number;
    duplicates: number;
    bad_pieces: number;
  };
  playlist: string;
  playing: boolean;
  position_s: number;
  buffer_s: number;
}

/** Returns the current statistics; `totals` count since the page was opened. */
export function snapshot(
  engine: Engine,
  live: LivePlayer,
  video: HTMLVideoElement,
  playlist: URL,
  firstPictureMs: number | null,
  totals: Totals,
): Snapshot {
  return {
    ...engine.membership,
    peers: engine.peers,
    ...totals,
    share: share(totals),
    latency_s: live.latencyS,
    first_picture_ms: firstPictureMs,
    completion_ms: engine.stats.completionMs,
    playlist: playlist.href,
    playing: !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
    position_s: video.currentTime,
    buffer_s: live.bufferedS,
  };
}
