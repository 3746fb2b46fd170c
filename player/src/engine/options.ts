/** What the engine is given, and by whom. */

import type { PeerConnectionConstructor } from "../webrtc/connection";
import type { SeedOptions } from "./torrent-seed";
import type { Sequence } from "../protocol/messages";
import type { JoinToken } from "../room/signaling";

/** What the engine takes from its surroundings: a browser, or Node with stand-ins. */
export interface Platform {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
  /** null where there is no WebRTC */
  PeerConnection: PeerConnectionConstructor | null;
  /** null outside secure contexts */
  subtle: SubtleCrypto | null;
  /** milliseconds, monotonic */
  now: () => number;
}

/** What the engine asks its player. */
export interface Player {
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** seconds behind live, null while unknown */
  latencyS: () => number | null;
  /** seconds since the viewer paused; 0 while it plays */
  pausedS: () => number;
  playing: () => boolean;
}

export interface EngineOptions {
  platform: Platform;
  player: Player;
  /** `/ws/room` */
  room: URL;
  /** what signaling wants to see of those who join, handed out just now */
  joinToken: JoinToken;
  /** asks the site for another; rejects when that fails or `signal` is aborted */
  renewJoinToken: (signal: AbortSignal) => Promise<JoinToken>;
  /** `/live/segments.json` */
  segments: URL;
  iceServers: RTCIceServer[];
  /** the station's torrent seed; left out: it is never asked */
  seed?: SeedOptions;
  /** whether this viewer may send to others */
  upload: boolean;
  /** the most that it wants to send, bit/s, which may change; null or left out: no limit */
  uploadCapBps?: () => number | null;
  /** what comes first is there: links to other viewers may be made */
  mayConnect: Promise<void>;
  /** signaling announces a segment of the rendition that is played */
  onPublished: (sequence: Sequence) => void;
  /** signaling says that a stream is on air, or that none is */
  onStream: (live: boolean) => void;
  /** the station has a newer page than this one, which others do not share with */
  onOutdated: () => void;
  /** a line for the console */
  log: (line: string) => void;
}
