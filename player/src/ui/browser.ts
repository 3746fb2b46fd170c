/** What this browser has, looked up without using any of it. */

import type { Browser } from "./sharing-mode";

/** @param mse whether hls.js can play here */
export function browser(mse: boolean): Browser {
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
class Unconnected extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  readonly readyState = 0;
  readonly OPEN = 1;
  close(): void {
    // there is nothing to close
  }
}

export const unconnected = Unconnected as unknown as typeof WebSocket;
