/** `window.shoal.stats()`: the page's figures, for operators and tests. */

import type { Engine } from "../engine/engine";
import type { SourceBytes } from "../protocol/messages";
import { share } from "../engine/stats";
import type { Totals } from "./engine-host";
import type { LivePlayer } from "../hls/live-player";

export interface Snapshot {
  /** this viewer's id and its room; null while it is in none */
  id: string | null;
  room: string | null;
  epoch: number | null;
  ready: boolean;
  /** in the room, this viewer included */
  members: number;
  /** of them, those to whom the last attempt to connect failed */
  unreachable: number;
  /** open links */
  peers: number;
  /** since the page was opened */
  bytes: SourceBytes;
  startup: SourceBytes;
  uploaded: number;
  /** 0 to 1, start-up left out; null while nothing was counted */
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

/** Returns the figures as they are now; `totals` are those since the page was opened. */
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
