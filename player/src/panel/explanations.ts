/** The panel's explanations, in full sentences. Pure. */

import type { Blocker, ReceiveOnlyReason } from "../ui/sharing-mode";

/** What sharing means, in one sentence; shown on the first visit and in the panel. */
export const NOTE =
  "Viewers share the video with each other, so other viewers can see your IP address.";

const BLOCKERS: Record<Blocker, string> = {
  "no MSE":
    "This browser plays the stream natively and does not let a page supply the video, so everything" +
    " comes from the station's store. A newer version of your system may be able to share.",
  "no WebSocket":
    "This browser has no WebSockets, or something has turned them off. Other viewers cannot be found" +
    " without them, so everything comes from the station's store.",
  "no WebRTC":
    "This browser has no WebRTC, or a setting or an extension has turned it off. Browsers cannot" +
    " connect to each other without it, so everything comes from the station's store.",
  "no WebCrypto":
    "This page was not opened over HTTPS. Browsers can verify video from other viewers only on" +
    " secure pages, so everything comes from the station's store.",
  "not here": "Sharing is turned off in this player, so everything comes from the station's store.",
  off:
    "Sharing is off: your browser does not connect to other viewers, and everything comes from the" +
    " station's store.",
  undecided:
    "You have not decided yet. Until you do, your browser does not connect to other viewers, and" +
    " everything comes from the station's store.",
};

const RECEIVE_ONLY_REASONS: Record<ReceiveOnlyReason, string> = {
  "saving data":
    "Your browser is set to save data, so it receives video from other viewers but sends nothing.",
  "mobile data":
    "You are on mobile data, so your browser receives video from other viewers but sends nothing.",
  "unknown link":
    "This phone does not report whether it is on Wi-Fi or mobile data, so it receives video from" +
    " other viewers but sends nothing.",
};

/** What the explanations depend on. */
export interface ExplanationContext {
  blocker: Blocker | null;
  receiveOnlyReason: ReceiveOnlyReason | null;
  /** members of the room, including this viewer; 0 while it is in no room */
  members: number;
  peers: number;
  unreachable: number;
  /** seconds since the page was opened */
  openS: number;
  /** whether this browser stores the preferences */
  remembered: boolean;
  /** the browser's permission to reach the local network; null if it has none */
  localNetwork: PermissionState | null;
  mac: boolean;
}

/** After this long without an answer, signaling counts as unreachable. */
const SIGNALING_TIMEOUT_S = 10;

/** Returns full sentences, the most important first. */
export function explain(context: ExplanationContext): string[] {
  const { blocker, receiveOnlyReason, members, peers, unreachable, openS, remembered } = context;
  const sentences: string[] = [];
  if (blocker) sentences.push(BLOCKERS[blocker]);
  else {
    if (members === 0 && openS > SIGNALING_TIMEOUT_S)
      sentences.push(
        "The station's WebSocket cannot be reached, so other viewers cannot be found. A firewall, a" +
          " proxy or an extension may be blocking it. Meanwhile, everything comes from the store.",
      );
    if (receiveOnlyReason) sentences.push(RECEIVE_ONLY_REASONS[receiveOnlyReason]);
    if (peers === 0 && unreachable > 0)
      sentences.push(
        "Your browser could not connect to the other viewers: your network or theirs does not allow" +
          " it. Meanwhile, everything comes from the store.",
      );
    sentences.push(...explainLocalNetwork(context));
  }
  if (!remembered)
    sentences.push(
      "This browser does not store settings for this page (a private window?), so they last only" +
        " until you close it.",
    );
  return sentences;
}

function explainLocalNetwork({ localNetwork, mac, members, peers }: ExplanationContext): string[] {
  const allLinked = peers >= members - 1;
  if (localNetwork === "denied")
    return [
      "Your browser does not let this page reach devices on your local network. Viewers there are" +
        " left out; all others are reached as usual.",
    ];
  if (localNetwork === "prompt" && !allLinked)
    return [
      "Your browser may ask whether this page can access devices on your local network. That is for" +
        " viewers in the same place as you. If you decline, only they are left out.",
    ];
  if (mac && localNetwork === null && !allLinked)
    return [
      "macOS may ask once whether this browser can find devices on your local network. That is for" +
        " viewers in the same place as you. If you decline, only they are left out.",
    ];
  return [];
}
