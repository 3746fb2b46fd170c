/** What this browser can, and whether it shares and sends. Nothing here makes a connection. */

import type { Consent } from "../station/config";
import type { Preferences } from "./preferences";

/** What keeps a viewer from sharing. */
export type Blocker =
  "no MSE" | "no WebSocket" | "no WebRTC" | "no WebCrypto" | "not here" | "off" | "undecided";

/** What the browser has. */
export interface BrowserSupport {
  /** Media Source Extensions, or Safari's managed ones */
  mse: boolean;
  webSocket: boolean;
  webRtc: boolean;
  /** outside of secure contexts there is none */
  webCrypto: boolean;
}

/** What is looked at of `navigator`; not every browser has all of it. */
export interface NavigatorInfo {
  userAgent: string;
  userAgentData?: { mobile?: boolean };
  connection?: { type?: string; saveData?: boolean };
}

/**
 * Returns what keeps this viewer from sharing, the browser's reasons first; null if nothing does.
 *
 * @param sharingAllowed false: the page was opened without sharing (`?p2p=0`)
 */
export function findBlocker(
  browser: BrowserSupport,
  { share }: Pick<Preferences, "share">,
  consent: Consent,
  sharingAllowed: boolean,
): Blocker | null {
  if (!browser.mse) return "no MSE";
  if (!browser.webSocket) return "no WebSocket";
  if (!browser.webRtc) return "no WebRTC";
  if (!browser.webCrypto) return "no WebCrypto";
  if (!sharingAllowed) return "not here";
  if (share === false) return "off";
  return share === null && consent === "ask" ? "undecided" : null;
}

/** Whether the viewer can turn sharing on and off: the browser has all that it takes. */
export function canChoose(blocker: Blocker | null): boolean {
  return blocker === null || blocker === "off" || blocker === "undecided";
}

/** Why a viewer that shares sends nothing; null if it does. */
export type ReceiveOnlyReason = "saving data" | "mobile data" | "unknown link";

/**
 * Returns why this browser should receive only: not at somebody's expense.
 *
 * @param onMobile the viewer allows mobile data, and links of which nothing is known
 */
export function receiveOnlyReason(
  { userAgent, userAgentData, connection }: NavigatorInfo,
  onMobile: boolean,
): ReceiveOnlyReason | null {
  if (connection?.saveData === true) return "saving data";
  if (onMobile) return null;
  if (connection?.type === "cellular") return "mobile data";
  const phone = userAgentData?.mobile ?? /\bMobi/.test(userAgent);
  return phone && connection?.type === undefined ? "unknown link" : null;
}

/** @param mse whether hls.js can play here */
export function detectBrowser(mse: boolean): BrowserSupport {
  return {
    mse,
    webSocket: "WebSocket" in globalThis,
    webRtc: "RTCPeerConnection" in globalThis && canConnect(),
    webCrypto: isSecureContext && "subtle" in crypto,
  };
}

/**
 * Some extensions leave the class there, and have it throw. Looked at without making a connection:
 * who has turned sharing off was promised that none is made.
 */
function canConnect(): boolean {
  return (
    typeof RTCPeerConnection === "function" && "createDataChannel" in RTCPeerConnection.prototype
  );
}

/** A WebSocket for browsers that have none: it never opens. */
class Disconnected extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  readonly readyState = 0;
  readonly OPEN = 1;
  close(): void {
    // there is nothing to close
  }
}

export const DisconnectedWebSocket = Disconnected as unknown as typeof WebSocket;
