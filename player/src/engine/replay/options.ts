/** The options shared by the replay's exchange and its policy. */

import type { MemberId } from "../../protocol/messages";
import type { Mesh } from "../../webrtc/mesh";
import type { Stats } from "../stats";
import type { StoreClient } from "../store";
import type { Verify } from "../verify";

export interface ReplayExchangeOptions {
  store: StoreClient;
  stats: Stats;
  /** null if the browser cannot hash; then nothing comes from members */
  verify: Verify | null;
  /** null if this browser cannot share */
  mesh: Mesh | null;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** resolves once links may be made */
  mayConnect: Promise<void>;
  /** whether there are other members but no links yet */
  isLinking: () => boolean;
  /** seconds of video ahead of the playhead; 0 if there is nothing to play */
  bufferedS: () => number;
  /** a member sent a segment with a wrong hash */
  onBadPiece: (from: MemberId) => void;
}
