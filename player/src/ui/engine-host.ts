/**
 * How a page's engines replace each other as its viewer's choice changes: requests and totals go
 * on.
 */

import type { Engine } from "../engine/engine";
import type { SourceBytes } from "../protocol/messages";
import type { Stats } from "../engine/stats";
import Hls from "hls.js";
import type { StationConfig } from "../station/config";
import { fetchConfig } from "../station/config";
import type { Blocker, ReceiveOnlyReason } from "./sharing-mode";
import {
  detectBrowser,
  findBlocker,
  receiveOnlyReason,
  DisconnectedWebSocket,
} from "./sharing-mode";
import type { PreferenceStore } from "./preferences";

type FragmentSource = Pick<Engine, "fragment" | "resource">;

/**
 * Passes the player's requests to the current engine, and repeats pending ones to its successor.
 */
export class EngineHost implements FragmentSource {
  #source: FragmentSource | null = null;
  #replaced = new AbortController();

  /**
   * Switches to another engine, which also gets the requests that the last one has not answered.
   */
  use(source: FragmentSource): void {
    const previous = this.#replaced;
    this.#source = source;
    this.#replaced = new AbortController();
    previous.abort();
  }

  fragment(...[url, sequence, signal]: Parameters<Engine["fragment"]>) {
    return this.#request(signal, (source, until) => source.fragment(url, sequence, until));
  }

  resource(...[url, range, signal, sequence]: Parameters<Engine["resource"]>) {
    return this.#request(signal, (source, until) => source.resource(url, range, until, sequence));
  }

  async #request<T>(
    signal: AbortSignal,
    request: (source: FragmentSource, until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const source = this.#source;
      const replaced = this.#replaced.signal;
      if (!source) throw new Error("segments were requested before there was an engine");
      const until = new AbortController();
      const stop = (): void => {
        until.abort(signal.reason);
      };
      signal.addEventListener("abort", stop);
      replaced.addEventListener("abort", stop);
      try {
        return await request(source, until.signal);
      } catch (error) {
        if (signal.aborted || !replaced.aborted) throw error;
      } finally {
        signal.removeEventListener("abort", stop);
        replaced.removeEventListener("abort", stop);
      }
    }
  }
}

/** A viewer's counters over all engines of a page; they only rise. */
export type Totals = Pick<Stats["total"], "bytes" | "startup" | "uploaded" | "stalls"> & {
  segments: Stats["segments"];
};

/** Returns a copy of what an engine has counted. */
export function totalsOf({ total, segments }: Pick<Stats, "total" | "segments">): Totals {
  return structuredClone({ ...total, segments });
}

export function addTotals(a: Totals, b: Totals): Totals {
  return {
    bytes: addBytes(a.bytes, b.bytes),
    startup: addBytes(a.startup, b.startup),
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

function addBytes(a: SourceBytes, b: SourceBytes): SourceBytes {
  return { p2p: a.p2p + b.p2p, store: a.store + b.store, seed: a.seed + b.seed };
}

/** What an engine is made for: when it changes, the page makes another engine. */
export interface SharingMode {
  /** why this viewer does not share; null if it does */
  blocker: Blocker | null;
  /** why it only receives; null if it may send */
  receiveOnlyReason: ReceiveOnlyReason | null;
}

export interface SharingOptions {
  /** URL of a page of the station */
  page: URL;
  config: StationConfig;
  preferences: PreferenceStore;
  /** false: this player does not share, whatever the viewer's preferences */
  sharingAllowed: boolean;
  /** resolves when links to other viewers may be made: there is a picture, or it takes too long */
  mayConnect: Promise<void>;
  /** called when signaling uses another plan version: the page is older than its station */
  onOutdated: () => void;
}

/** Returns the sharing mode that browser, preferences and station allow now. */
export function sharingModeOf({
  preferences,
  config,
  sharingAllowed,
}: SharingOptions): SharingMode {
  const { now } = preferences;
  const blocker = findBlocker(
    detectBrowser(Hls.isSupported()),
    now,
    config.consent,
    sharingAllowed,
  );
  return { blocker, receiveOnlyReason: receiveOnlyReason(navigator, now.uploadOnMobile) };
}

/** Whether two sharing modes are the same. */
export function isSameMode(a: SharingMode, b: SharingMode): boolean {
  return a.blocker === b.blocker && a.receiveOnlyReason === b.receiveOnlyReason;
}

/** Returns the options that make an engine, live or for a replay, share in this mode. */
export function engineOptions(mode: SharingMode, options: SharingOptions) {
  const { config, page, preferences, mayConnect, onOutdated } = options;
  return {
    platform: {
      fetch: fetch.bind(globalThis),
      WebSocket: "WebSocket" in globalThis ? WebSocket : DisconnectedWebSocket,
      PeerConnection: mode.blocker === null ? RTCPeerConnection : null,
      subtle: isSecureContext ? crypto.subtle : null,
      now: () => performance.now(),
    },
    room: config.room,
    joinToken: config.joinToken,
    renewJoinToken: async (signal: AbortSignal) => (await fetchConfig(page, signal)).joinToken,
    iceServers: config.iceServers,
    upload: mode.receiveOnlyReason === null,
    uploadCapBps: () => {
      const { uploadLimitMbps } = preferences.now;
      return uploadLimitMbps === null ? null : uploadLimitMbps * 1e6;
    },
    mayConnect,
    onOutdated,
    log: (line: string) => {
      console.log(line);
    },
  };
}
