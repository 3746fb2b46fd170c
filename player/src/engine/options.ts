/** The options of the live engine. */

import type { PeerConnectionConstructor } from "../webrtc/connection";
import type { SeedOptions } from "./torrent-seed";
import type { Sequence } from "../protocol/messages";
import type { JoinToken } from "../room/signaling";

/** The APIs that the engine uses: those of a browser, or replacements for them in Node. */
export interface Platform {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
  /** null if there is no WebRTC */
  PeerConnection: PeerConnectionConstructor | null;
  /** null outside secure contexts */
  subtle: SubtleCrypto | null;
  /** milliseconds, monotonic */
  now: () => number;
}

/** What the engine asks the player. */
export interface Player {
  /** seconds of video ahead of the playhead; 0 if there is nothing to play */
  bufferedS: () => number;
  /** seconds behind live; null while unknown */
  latencyS: () => number | null;
  /** seconds since the viewer paused; 0 during playback */
  pausedS: () => number;
  playing: () => boolean;
}

export interface EngineOptions {
  platform: Platform;
  player: Player;
  /** `/ws/room` */
  room: URL;
  /** the join token that came with the page, just issued */
  joinToken: JoinToken;
  /** requests a new token from the site; rejects on failure or when `signal` is aborted */
  renewJoinToken: (signal: AbortSignal) => Promise<JoinToken>;
  /** `/live/segments.json` */
  segments: URL;
  iceServers: RTCIceServer[];
  /** the station's torrent seed; if left out, it is never used */
  seed?: SeedOptions;
  /** whether this viewer uploads */
  upload: boolean;
  /** the viewer's upload cap, bit/s, read whenever it matters; null or left out: none */
  uploadCapBps?: () => number | null;
  /** resolves once links may be made, because there is a picture */
  mayConnect: Promise<void>;
  /** signaling announced a segment of the variant being played */
  onPublished: (sequence: Sequence) => void;
  /** whether a stream is on air, according to signaling */
  onStream: (live: boolean) => void;
  /** the station has a newer page; viewers of this one cannot share with its viewers */
  onOutdated: () => void;
  /** writes a line to the console */
  log: (line: string) => void;
}
