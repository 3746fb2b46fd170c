/** What the exchange of a replay and its policy are given. */

import type { MemberId } from "../../protocol/messages";
import type { Mesh } from "../../webrtc/mesh";
import type { Stats } from "../stats";
import type { StoreClient } from "../store";
import type { Verify } from "../verify";

export interface ReplayExchangeOptions {
  store: StoreClient;
  stats: Stats;
  /** null where the browser cannot hash: then nothing comes from members */
  verify: Verify | null;
  /** null where nothing can be shared */
  mesh: Mesh | null;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** links to others may be made */
  mayConnect: Promise<void>;
  /** whether others are in the room to whom there is no link yet */
  isLinking: () => boolean;
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** a member sent a segment with a wrong hash */
  onBadPiece: (from: MemberId) => void;
}
