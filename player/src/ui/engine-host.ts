/** What makes a page's engines as its viewer's choice changes: requests and totals outlast each of them. */

import type { Engine } from "../engine/engine";
import type { SourceBytes } from "../protocol/messages";
import type { Stats } from "../engine/stats";
import Hls from "hls.js";
import type { StationConfig } from "../station/config";
import { fetchConfig } from "../station/config";
import type { Hindrance, NoUpload } from "./sharing-mode";
import { browser, hindrance, noUpload, unconnected } from "./sharing-mode";
import type { PreferenceStore } from "./preferences";

type FragmentSource = Pick<Engine, "fragment" | "resource">;

/** Hands the player's requests to the engine that is in charge, and again to the one after it. */
export class Switch implements FragmentSource {
  #source: FragmentSource | null = null;
  #replaced = new AbortController();

  /** Another engine takes over; what the one before has not delivered is asked of this one. */
  to(source: FragmentSource): void {
    const before = this.#replaced;
    this.#source = source;
    this.#replaced = new AbortController();
    before.abort();
  }

  fragment(...[url, sequence, signal]: Parameters<Engine["fragment"]>) {
    return this.#ask(signal, (source, until) => source.fragment(url, sequence, until));
  }

  resource(...[url, range, signal, sequence]: Parameters<Engine["resource"]>) {
    return this.#ask(signal, (source, until) => source.resource(url, range, until, sequence));
  }

  async #ask<T>(
    signal: AbortSignal,
    ask: (source: FragmentSource, until: AbortSignal) => Promise<T>,
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
        return await ask(source, until.signal);
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

/** Another wish is another engine. */
export interface Wishes {
  /** what keeps this viewer from sharing; null if nothing does */
  hindrance: Hindrance | null;
  /** what keeps it from sending to others; null if nothing does */
  noUpload: NoUpload | null;
}

export interface WishOptions {
  /** a page of the station */
  page: URL;
  config: StationConfig;
  preferences: PreferenceStore;
  /** false: this player does not share, whatever the viewer prefers elsewhere */
  here: boolean;
  /** there is a picture, or none is to be waited for: links to others may be made */
  begun: Promise<void>;
  /** signaling plans otherwise than this page, which is older than its station */
  onOutdated: () => void;
}

/** Returns what is wished for now. */
export function wishesOf({ preferences, config, here }: WishOptions): Wishes {
  const { now } = preferences;
  const found = hindrance(browser(Hls.isSupported()), now, config.consent, here);
  return { hindrance: found, noUpload: noUpload(navigator, now.uploadOnMobile) };
}

/** Whether two wishes are the same. */
export function isSame(a: Wishes, b: Wishes): boolean {
  return a.hindrance === b.hindrance && a.noUpload === b.noUpload;
}

/** Returns the options by which an engine, live or of a replay, shares as is wished. */
export function sharingAs(wishes: Wishes, options: WishOptions) {
  const { config, page, preferences, begun, onOutdated } = options;
  return {
    platform: {
      fetch: fetch.bind(globalThis),
      WebSocket: "WebSocket" in globalThis ? WebSocket : unconnected,
      PeerConnection: wishes.hindrance === null ? RTCPeerConnection : null,
      subtle: isSecureContext ? crypto.subtle : null,
      now: () => performance.now(),
    },
    room: config.room,
    joinToken: config.joinToken,
    renewJoinToken: async (signal: AbortSignal) => (await fetchConfig(page, signal)).joinToken,
    iceServers: config.iceServers,
    upload: wishes.noUpload === null,
    uploadLimitBps: () => {
      const { uploadLimitMbps } = preferences.now;
      return uploadLimitMbps === null ? null : uploadLimitMbps * 1e6;
    },
    ...{ begun, onOutdated },
    log: (line: string) => {
      console.log(line);
    },
  };
}
