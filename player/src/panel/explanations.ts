/** What the panel explains, in whole sentences. Pure. */

import type { Blocker, ReceiveOnlyReason } from "../ui/sharing-mode";

/** What this is about; one sentence, shown on the first visit and in the panel. */
export const NOTE =
  "Viewers of this station pass the video on to each other, so other viewers can see your IP address.";

const BLOCKERS: Record<Blocker, string> = {
  "no MSE":
    "This browser plays the stream by itself and lets no page hand it video, so everything comes" +
    " from the station's store. A newer version of the system may share.",
  "no WebSocket":
    "This browser has no WebSockets, or something has switched them off: other viewers cannot be" +
    " found without them, so everything comes from the station's store.",
  "no WebRTC":
    "This browser has no WebRTC, or a setting or an extension has switched it off: without it" +
    " browsers cannot reach each other, so everything comes from the station's store.",
  "no WebCrypto":
    "This page was not opened over https. Browsers check what comes from other viewers only on" +
    " secure pages, so everything comes from the station's store.",
  "not here":
    "This player was put here without sharing: everything comes from the station's store.",
  off: "Sharing is off: no connection to other viewers is made, and everything comes from the store.",
  undecided:
    "You have not decided yet: until you do, no connection to other viewers is made, and everything" +
    " comes from the station's store.",
};

const RECEIVE_ONLY_REASONS: Record<ReceiveOnlyReason, string> = {
  "saving data":
    "Your browser is set to save data, so this page receives from others and sends nothing.",
  "mobile data": "You are on mobile data, so this page receives from others and sends nothing.",
  "unknown link":
    "This phone does not say whether it is on Wi-Fi or mobile data, so this page receives from" +
    " others and sends nothing.",
};

/** What is explained under the switches. */
export interface ExplanationContext {
  blocker: Blocker | null;
  receiveOnlyReason: ReceiveOnlyReason | null;
  /** members of the room, this viewer included; 0 while it is in none */
  members: number;
  peers: number;
  unreachable: number;
  /** seconds since the page was opened */
  openS: number;
  /** whether this browser keeps the settings */
  remembered: boolean;
  /** what the browser's own question about the local network came to; null: it does not ask */
  localNetwork: PermissionState | null;
  mac: boolean;
}

/** Signaling has had time to answer. */
const SIGNALING_TIMEOUT_S = 10;

/** Returns whole sentences, the most important first. */
export function explain(context: ExplanationContext): string[] {
  const { blocker, receiveOnlyReason, members, peers, unreachable, openS, remembered } = context;
  const sentences: string[] = [];
  if (blocker) sentences.push(BLOCKERS[blocker]);
  else {
    if (members === 0 && openS > SIGNALING_TIMEOUT_S)
      sentences.push(
        "The station's WebSocket cannot be reached, so no other viewers are found: a firewall, a" +
          " proxy or an extension may block it. Everything comes from the store meanwhile.",
      );
    if (receiveOnlyReason) sentences.push(RECEIVE_ONLY_REASONS[receiveOnlyReason]);
    if (peers === 0 && unreachable > 0)
      sentences.push(
        "Other viewers are there, but no connection to them could be made: their network or yours" +
          " does not let it through. Everything comes from the store meanwhile.",
      );
    sentences.push(...explainLocalNetwork(context));
  }
  if (!remembered)
    sentences.push(
      "This browser keeps nothing for this page (a private window?): settings last until it is closed.",
    );
  return sentences;
}

function explainLocalNetwork({ localNetwork, mac, members, peers }: ExplanationContext): string[] {
  const allLinked = peers >= members - 1;
  if (localNetwork === "denied")
    return [
      "Your browser does not let this page reach devices on your own network: viewers there are left" +
        " out, and all others are reached as usual.",
    ];
  if (localNetwork === "prompt" && !allLinked)
    return [
      "Your browser may ask whether this page may reach devices on your network: that is for viewers" +
        " at the same place as you. If you refuse, only they are left out.",
    ];
  if (mac && localNetwork === null && !allLinked)
    return [
      "macOS may ask once whether this browser may find devices on your network: that is for viewers" +
        " at the same place as you. If you refuse, only they are left out.",
    ];
  return [];
}
