/** Text of the sharing chip: where the video comes from, in a few words. Pure. */

import { percent } from "../ui/format";
import type { Blocker } from "../ui/sharing-mode";

export interface SharingState {
  /** why this viewer does not share; null if it does */
  blocker: Blocker | null;
  /** members of the room, including this viewer; 0 while it is in no room */
  members: number;
  /** members to whom the last connection attempt failed */
  unreachable: number;
  peers: number;
  /** peer bytes ÷ all bytes, 0 to 1; null before the first byte */
  share: number | null;
  /** whether the store fails for this viewer */
  storeFailing: boolean;
}

/** Why everything comes from the store. */
const REASONS: Record<Blocker, string> = {
  "no MSE": "this browser plays the stream natively",
  "no WebSocket": "this browser has no WebSockets",
  "no WebRTC": "this browser has no WebRTC",
  "no WebCrypto": "sharing needs HTTPS",
  "not here": "sharing is off in this player",
  off: "sharing is off",
  undecided: "waiting for your choice",
};

/** Returns the chip's text. */
export function chipText(state: SharingState): string {
  const { blocker, members, unreachable, peers, share, storeFailing } = state;
  if (blocker)
    return storeFailing
      ? `the store is not responding, and ${REASONS[blocker]}`
      : `from the store: ${REASONS[blocker]}`;
  if (peers > 0) {
    const viewers = peers === 1 ? "1 viewer" : `${peers} viewers`;
    return share === null ? `connected to ${viewers}` : `${percent(share)} from ${viewers}`;
  }
  if (storeFailing) return "the store is not responding";
  if (members === 0) return "from the store: cannot find other viewers";
  if (members === 1) return "from the store: no other viewers yet";
  return unreachable >= members - 1
    ? "from the store: could not connect to other viewers"
    : "from the store: connecting to other viewers";
}
