/** Generated from services/shoal/api_types.py by `make dashboard-types`. */

/**
 * One member pushes to another. JSON: `[sender, receiver, pieces]`, indexes in `members`.
 *
 * @minItems 3
 * @maxItems 3
 */
export type Push = [number, number, number];

/** The data of the events of `/api/events`, by event name. */
export interface EventData {
  station: OperatorStation;
  history: HistoryColumns;
  rooms: RoomsView | null;
}

/** Body of `/api/station` for the operator. See SignalingStats for signaling's fields. */
export interface OperatorStation {
  live: boolean | null;
  viewers: number | null;
  peers: number | null;
  not_sharing: number | null;
  share: number | null;
  bytes: BytesBySource | null;
  startup: BytesBySource | null;
  recent: BytesBySource | null;
  uploaded: number | null;
  stalls: number | null;
  latency_s: number | null;
  chunks: number | null;
  rooms: number | null;
  replays: ReplayTotals | null;
  ec2_video: Ec2Video;
  /** bytes of objects by the store's own counter; null if it has none */
  store_sent: number | null;
  cost: RunningCost | null;
  since: CountingSince;
  /** each service's `/health`, or `{"status": "unreachable"}` */
  services: {
    [k: string]: unknown;
  };
}

/** Segment bytes, by the source that delivered them. */
export interface BytesBySource {
  /** from other viewers */
  p2p: number;
  /** from the object store */
  store: number;
  /** from the torrent seed */
  seed: number;
}

/** Totals of the viewers of replays; the live stream's are separate. */
export interface ReplayTotals {
  /** connected now */
  viewers: number;
  /** connected now, with at least one open link */
  linked: number;
  /** all that they received */
  bytes: BytesBySource;
  /** bytes that they sent to other viewers */
  uploaded: number;
  stalls: number;
}

/** Bytes of video in the EC2 host's HTTP responses, counted in two places. */
export interface Ec2Video {
  /** by broadcaster, signaling and site; null if one of them cannot be reached */
  services: number | null;
  /** by the gateway in front of them; null if there is none, or it cannot be reached */
  gateway: number | null;
}

/** Cost of the traffic since the services started, in US dollars at list prices. */
export interface RunningCost {
  /** uploads to the store, requests, and this host's other traffic, but not the host itself */
  usd: number;
  /** the same if viewers fetched everything from the store */
  r2_usd: number;
  /** the same if viewers fetched everything from the EC2 host */
  ec2_direct_usd: number;
  /** ISO 8601 */
  prices_as_of: string;
}

/** When each counter started: its process' start time, ISO 8601, UTC; null if unknown. */
export interface CountingSince {
  /** viewers' reports: since signaling started */
  viewers: string | null;
  /** video sent by the services: since the last of them started */
  services: string | null;
  gateway: string | null;
  store: string | null;
}

/**
 * Body of signaling's `/history` and of `/api/history`: rows, oldest first, by column.
 *
 * Bytes and stalls are those reported within the step. A null row is a step that signaling missed
 * (the host was suspended, say); what was reported meanwhile is in the next row.
 */
export interface HistoryColumns {
  step_s: number;
  /** Unix time of each step's end */
  at: number[];
  viewers: (number | null)[];
  /** viewers with at least one open link */
  linked: (number | null)[];
  rooms: (number | null)[];
  p2p: (number | null)[];
  store: (number | null)[];
  seed: (number | null)[];
  /** the part of the three columns above that is start-up */
  startup: (number | null)[];
  /** the part of `p2p` that is start-up */
  startup_p2p: (number | null)[];
  /** bytes of the announced segments, times the viewers on their variant */
  wanted: (number | null)[];
  uploaded: (number | null)[];
  stalls: (number | null)[];
  /** received by viewers of replays; the other columns do not include them */
  replays_p2p: (number | null)[];
  replays_store: (number | null)[];
  /** median of the viewers that reported one; null if none did */
  latency_s: (number | null)[];
}

/** Body of signaling's `/rooms`: the rooms of the process that responds. */
export interface RoomsView {
  /** largest first */
  rooms: RoomSize[];
  /** viewers that are not sharing, and so are in no room */
  apart: number;
  /** topology of the requested room, or else of the largest; null if there is no room */
  picture: RoomTopology | null;
}

/** Summary of a room. */
export interface RoomSize {
  room: string;
  members: number;
  /** members that may own slices */
  ready: number;
}

/** A room, with its plan for the newest segment of each variant. */
export interface RoomTopology {
  room: string;
  /** in the order they joined */
  members: RoomMember[];
  /** variant that somebody here plays → pieces of its newest segment */
  pieces: {
    [k: string]: number;
  };
  /** index in `members` → pieces that the plan has it fetch from the store */
  from_store: {
    [k: string]: number;
  };
  pushes: Push[];
}

/** A viewer in a room. */
export interface RoomMember {
  id: string;
  variant: number;
  ready: boolean;
  /** quarters of a full share; 0: receives only */
  weight: number;
  /** indexes in `members` of those it reports as unreachable */
  cut: number[];
  /** null if it is connected to another process */
  figures: ViewerSummary | null;
}

/** A connected viewer's last report, counted since it joined; null before its first one. */
export interface ViewerSummary {
  id: string;
  /** when it joined, Unix time */
  since: number;
  /** number of the variant that it plays */
  variant: number;
  /** false: it cannot share or may not */
  sharing: boolean;
  bytes: BytesBySource | null;
  startup: BytesBySource | null;
  uploaded: number | null;
  /** open now */
  links: number | null;
  stalls: number | null;
  latency_s: number | null;
}
