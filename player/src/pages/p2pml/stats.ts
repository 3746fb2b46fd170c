/** The page's figures, as p2p-media-loader tells of them. */

import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";

export class Counters {
  /** bytes received from peers, and over HTTP; wanted in the end or not */
  p2p = 0;
  http = 0;
  /** bytes sent to peers */
  uploaded = 0;
  /** segments that peers sent and that were not what the broadcaster published */
  refused = 0;
  stalls = 0;
  /** milliseconds from the page's opening to the first picture */
  firstPictureMs: number | null = null;
  /** by id: the library may say twice that a peer is gone */
  #peers = new Set<string>();

  /** Count what this engine does. */
  attach(engine: HlsJsP2PEngine): void {
    engine.addEventListener("onChunkDownloaded", (bytes, source) => {
      this[source] += bytes;
    });
    engine.addEventListener("onChunkUploaded", (bytes) => {
      this.uploaded += bytes;
    });
    engine.addEventListener("onSegmentError", ({ error }) => {
      if (error.type === "p2p-segment-validation-failed") this.refused += 1;
    });
    engine.addEventListener("onPeerConnect", ({ peerId }) => {
      this.#peers.add(peerId);
    });
    engine.addEventListener("onPeerClose", ({ peerId }) => {
      this.#peers.delete(peerId);
    });
  }

  get peers(): number {
    return this.#peers.size;
  }
  /** Part that came from peers, 0 to 1; null while nothing came. */
  get share(): number | null {
    const all = this.p2p + this.http;
    return all === 0 ? null : this.p2p / all;
  }
}

/** `window.p2pml.stats()` */
export interface P2pmlStats {
  p2p: number;
  http: number;
  uploaded: number;
  refused: number;
  peers: number;
  stalls: number;
  latency_s: number | null;
  first_picture_ms: number | null;
  playing: boolean;
}

declare global {
  interface Window {
    p2pml?: { stats: () => P2pmlStats };
  }
}

/** The figures for people: what each is, and its text. */
export function rows(stats: P2pmlStats, share: number | null): [string, string][] {
  return [
    ["from peers", megabytes(stats.p2p)],
    ["from the store", megabytes(stats.http)],
    ["share of peers", share === null ? "–" : `${Math.floor(share * 100)} %`],
    ["sent to peers", megabytes(stats.uploaded)],
    ["segments refused", String(stats.refused)],
    ["peers", String(stats.peers)],
    ["behind live", stats.latency_s === null ? "–" : `${stats.latency_s.toFixed(0)} s`],
    ["stalls", String(stats.stalls)],
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
