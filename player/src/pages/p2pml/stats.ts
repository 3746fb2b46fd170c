/** The page's statistics, counted from p2p-media-loader's events. */

import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";

import { UNKNOWN, percent } from "../../ui/format";

export class Counters {
  /** bytes received from peers and over HTTP, including discarded ones */
  p2p = 0;
  http = 0;
  /** bytes sent to peers */
  uploaded = 0;
  /** segments from peers that did not match the published hash */
  refused = 0;
  stalls = 0;
  /** milliseconds from opening the page to the first picture */
  firstPictureMs: number | null = null;
  /** by id, because the library may report twice that a peer is gone */
  #peers = new Set<string>();

  /** Counts this engine's events. */
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
  /** Peer bytes ÷ all bytes, 0 to 1; null before the first byte. */
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

/** Returns the statistics as label and text for people. */
export function rows(stats: P2pmlStats, share: number | null): [string, string][] {
  return [
    ["from peers", megabytes(stats.p2p)],
    ["from the store", megabytes(stats.http)],
    ["share of peers", percent(share)],
    ["sent to peers", megabytes(stats.uploaded)],
    ["segments rejected", String(stats.refused)],
    ["peers", String(stats.peers)],
    ["latency", stats.latency_s === null ? UNKNOWN : `${stats.latency_s.toFixed(0)} s`],
    ["stalls", String(stats.stalls)],
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
