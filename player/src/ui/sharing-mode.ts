/** Whether this browser shares, only receives, or neither, and why. Makes no connection. */

import type { Consent } from "../station/config";
import type { Preferences } from "./preferences";

/** Why a viewer does not share. */
export type Blocker =
  "no MSE" | "no WebSocket" | "no WebRTC" | "no WebCrypto" | "not here" | "off" | "undecided";

/** Which of the needed APIs the browser has. */
export interface BrowserSupport {
  /** Media Source Extensions, or Safari's managed ones */
  mse: boolean;
  webSocket: boolean;
  webRtc: boolean;
  /** missing outside secure contexts */
  webCrypto: boolean;
}

/** The part of `navigator` that is used; not every browser has all of it. */
export interface NavigatorInfo {
  userAgent: string;
  userAgentData?: { mobile?: boolean };
  connection?: { type?: string; saveData?: boolean };
}

/**
 * Returns why this viewer does not share, the browser's reasons first; null if it does.
 *
 * @param sharingAllowed false: the player was opened without sharing (`?p2p=0`)
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

/** Whether the viewer can turn sharing on and off: the browser has everything it needs. */
export function canChoose(blocker: Blocker | null): boolean {
  return blocker === null || blocker === "off" || blocker === "undecided";
}

/** Why a viewer that shares sends nothing. */
export type ReceiveOnlyReason = "saving data" | "mobile data" | "unknown link";

/**
 * Returns why this browser should only receive, so that sending costs nobody money; null if it may
 * send.
 *
 * @param onMobile the viewer allows sending on mobile data and unknown connection types
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

/**
 * Detects the needed APIs without using any of them.
 *
 * @param mse whether hls.js can play in this browser
 */
export function detectBrowser(mse: boolean): BrowserSupport {
  return {
    mse,
    webSocket: "WebSocket" in globalThis,
    webRtc: "RTCPeerConnection" in globalThis && canConnect(),
    webCrypto: isSecureContext && "subtle" in crypto,
  };
}

/**
 * Some extensions leave the class in place but make it throw. No connection is made to find out,
 * because viewers who turned sharing off were promised that none would be.
 */
function canConnect(): boolean {
  return (
    typeof RTCPeerConnection === "function" && "createDataChannel" in RTCPeerConnection.prototype
  );
}

/** A WebSocket for browsers without one: it never opens. */
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
