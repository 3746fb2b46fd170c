/** What the services report about themselves: their `/health`, as `/api/station` passes it on. */

import type { OperatorStation } from "./types";

/** A service's `/health`; each service has only some of these fields. */
export interface Health {
  status: string;
  problems?: ReportedProblem[];
  torrents?: number;
  peers?: number;
  room_peers?: number;
  torrent_peers?: number;
  chunks?: number;
  signaling?: string;
  last_segment_age_s?: number | null;
  store?: string;
  standby?: string;
}

interface ReportedProblem {
  code: string;
  message: string;
  /** ISO 8601 */
  since?: string;
}

/** The body of `/api/station` for the operator, with the services' health in it. */
export type Station = Omit<OperatorStation, "services"> & { services: Record<string, Health> };
