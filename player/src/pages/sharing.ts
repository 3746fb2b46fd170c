/** The sharing chip: where the video comes from, in plain words. Pure. */

import type { Sharing } from "../engine/engine";

export interface SharingState {
  sharing: Sharing | "no MSE";
  /** members of the room, this viewer included; 0 while it is in none */
  members: number;
  /** of them, those to whom the last attempt to connect failed */
  unreachable: number;
  peers: number;
  /** 0 to 1, null while nothing was counted */
  share: number | null;
}

/** Returns the chip's text. */
export function sharingText({ sharing, members, unreachable, peers, share }: SharingState): string {
  if (sharing === "no WebRTC") return "from the store: this browser has no WebRTC";
  if (sharing === "no MSE") return "from the store: this browser plays the stream by itself";
  if (sharing === "no WebCrypto") return "from the store: sharing needs https";
  if (peers > 0) {
    const viewers = peers === 1 ? "1 viewer" : `${peers} viewers`;
    return share === null
      ? `connected to ${viewers}`
      : `${Math.floor(share * 100)} % from ${viewers}`;
  }
  if (members === 0) return "from the store: no contact to other viewers";
  if (members === 1) return "from the store: no other viewer yet";
  return unreachable >= members - 1
    ? "from the store: could not connect to other viewers"
    : "from the store: connecting to other viewers";
}
