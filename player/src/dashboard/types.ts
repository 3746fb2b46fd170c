/** What `/api/events` tells the operator: services/shoal/api_types.py has the words for it. */

export interface Bytes {
  p2p: number;
  store: number;
  seed: number;
}

/** A service's `/health`; what is not there it does not say. */
export interface Health {
  status: string;
  problems?: Problem[];
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

export interface Problem {
  code: string;
  message: string;
  /** ISO 8601 */
  since?: string;
}

/** null: could not be asked for */
export interface Station {
  live: boolean | null;
  viewers: number | null;
  peers: number | null;
  not_sharing: number | null;
  share: number | null;
  recent: Bytes | null;
  stalls: number | null;
  latency_s: number | null;
  rooms: number | null;
  ec2_video: { services: number | null; gateway: number | null };
  cost: RunningCost | null;
  services: Record<string, Health>;
}

/** US dollars since the services started. */
export interface RunningCost {
  usd: number;
  ec2_direct_usd: number;
  /** ISO 8601 */
  prices_as_of: string;
}

type Column = (number | null)[];

/** Rows by column; one that is null is a step that signaling slept over. */
export interface HistoryColumns {
  step_s: number;
  /** Unix time of each step's end */
  at: number[];
  viewers: Column;
  linked: Column;
  rooms: Column;
  p2p: Column;
  store: Column;
  seed: Column;
  startup: Column;
  startup_p2p: Column;
  wanted: Column;
  stalls: Column;
  latency_s: Column;
}

export interface RoomSize {
  room: string;
  members: number;
  ready: number;
}

export interface ViewerFigures {
  bytes: Bytes | null;
  startup: Bytes | null;
  uploaded: number | null;
  links: number | null;
  stalls: number | null;
  latency_s: number | null;
}

export interface RoomMember {
  id: string;
  variant: number;
  ready: boolean;
  weight: number;
  cut: number[];
  figures: ViewerFigures | null;
}

export interface RoomPicture {
  room: string;
  members: RoomMember[];
  /** pieces of the newest segment, by rendition */
  pieces: Record<string, number>;
  /** place in `members` → pieces that it fetches from the store */
  from_store: Record<string, number>;
  /** sender and receiver (places in `members`), pieces */
  pushes: [number, number, number][];
}

export interface RoomsView {
  rooms: RoomSize[];
  apart: number;
  picture: RoomPicture | null;
}
