/** What makes a page's engines as its viewer's choice changes: requests and totals outlast each of them. */

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

/** Hands the player's requests to the engine that is in charge, and again to the one after it. */
export class EngineHost implements FragmentSource {
  #source: FragmentSource | null = null;
  #replaced = new AbortController();

  /** Another engine takes over; what the one before has not delivered is asked of this one. */
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
      if (!source) throw new Error("nobody to ask for segments yet");
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

/** Counters that only rise. */
export type Totals = Pick<Stats["total"], "bytes" | "startup" | "uploaded" | "stalls"> & {
  segments: Stats["segments"];
};

/** What an engine counted. */
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

/** Another wish is another engine. */
export interface SharingMode {
  /** what keeps this viewer from sharing; null if nothing does */
  blocker: Blocker | null;
  /** what keeps it from sending to others; null if nothing does */
  receiveOnlyReason: ReceiveOnlyReason | null;
}

export interface SharingOptions {
  /** a page of the station */
  page: URL;
  config: StationConfig;
  preferences: PreferenceStore;
  /** false: this player does not share, whatever the viewer prefers elsewhere */
  sharingAllowed: boolean;
  /** there is a picture, or none is to be waited for: links to others may be made */
  mayConnect: Promise<void>;
  /** signaling plans otherwise than this page, which is older than its station */
  onOutdated: () => void;
}

/** Returns what is wished for now. */
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

/** Whether two wishes are the same. */
export function isSameMode(a: SharingMode, b: SharingMode): boolean {
  return a.blocker === b.blocker && a.receiveOnlyReason === b.receiveOnlyReason;
}

/** Returns the options by which an engine, live or of a replay, shares as is wished. */
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
    uploadLimitBps: () => {
      const { uploadLimitMbps } = preferences.now;
      return uploadLimitMbps === null ? null : uploadLimitMbps * 1e6;
    },
    ...{ begun: mayConnect, onOutdated },
    log: (line: string) => {
      console.log(line);
    },
  };
}
