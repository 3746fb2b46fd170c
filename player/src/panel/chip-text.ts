/** The sharing chip: where the video comes from, in a few plain words. Pure. */

import type { Blocker } from "../ui/sharing-mode";

export interface SharingState {
  /** what keeps this viewer from sharing; null: nothing does */
  blocker: Blocker | null;
  /** members of the room, this viewer included; 0 while it is in none */
  members: number;
  /** of them, those to whom the last attempt to connect failed */
  unreachable: number;
  peers: number;
  /** 0 to 1, null while nothing was counted */
  share: number | null;
  /** whether the store does not answer this viewer */
  storeFailing: boolean;
}

/** Why a viewer has nothing but the store. */
const REASONS: Record<Blocker, string> = {
  "no MSE": "this browser plays the stream by itself",
  "no WebSocket": "this browser has no WebSockets",
  "no WebRTC": "this browser has no WebRTC",
  "no WebCrypto": "sharing needs https",
  "not here": "sharing is off here",
  off: "sharing is off",
  undecided: "not shared yet",
};

/** Returns the chip's text. */
export function chipText(state: SharingState): string {
  const { blocker, members, unreachable, peers, share, storeFailing } = state;
  if (blocker)
    return storeFailing
      ? `the store does not answer, and ${REASONS[blocker]}`
      : `from the store: ${REASONS[blocker]}`;
  if (peers > 0) {
    const viewers = peers === 1 ? "1 viewer" : `${peers} viewers`;
    return share === null
      ? `connected to ${viewers}`
      : `${Math.floor(share * 100)} % from ${viewers}`;
  }
  if (storeFailing) return "the store does not answer";
  if (members === 0) return "from the store: no contact to other viewers";
  if (members === 1) return "from the store: no other viewer yet";
  return unreachable >= members - 1
    ? "from the store: could not connect to other viewers"
    : "from the store: connecting to other viewers";
}
