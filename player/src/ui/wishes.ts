/** What an engine is made for, by what this browser can and its viewer wants. */

import Hls from "hls.js";

import type { StationConfig } from "../station/config";
import { fetchConfig } from "../station/config";
import type { Hindrance, NoUpload } from "./sharing-mode";
import { hindrance, noUpload } from "./sharing-mode";
import { browser, unconnected } from "./browser";
import type { PreferenceStore } from "./preferences";

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
    uploadCapBps: () => {
      const { uploadLimitMbps } = preferences.now;
      return uploadLimitMbps === null ? null : uploadLimitMbps * 1e6;
    },
    ...{ mayConnect: begun, onOutdated },
    log: (line: string) => {
      console.log(line);
    },
  };
}
