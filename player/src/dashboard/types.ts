/** Generated from services/shoal/api_types.py by `make dashboard-types`. */

/**
 * Who pushes to whom, in JSON `[sender, receiver, pieces]`; the two are places in `members`.
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

/** Body of `/api/station` for the operator. Signaling's figures are as in SignalingStats. */
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
  /** bytes of objects that the store itself counted; null where it has no counter */
  store_sent: number | null;
  cost: RunningCost | null;
  since: CountingSince;
  /** each service's `/health`, or `{"status": "unreachable"}` */
  services: {
    [k: string]: unknown;
  };
}

/** Bytes of segments, by the source that delivered them. */
export interface BytesBySource {
  /** from other viewers */
  p2p: number;
  /** from the object store */
  store: number;
  /** from the torrent seed */
  seed: number;
}

/** Sums over those who watch replays, apart from the live stream's. */
export interface ReplayTotals {
  /** present ones */
  viewers: number;
  /** present ones with at least one open link */
  linked: number;
  /** everything that they received */
  bytes: BytesBySource;
  /** bytes that they sent to each other */
  uploaded: number;
  stalls: number;
}

/** Bytes of video in HTTP responses of the EC2 host, counted at two places. */
export interface Ec2Video {
  /** by broadcaster, signaling and site; null while one of them cannot be asked */
  services: number | null;
  /** by the gateway in front of them; null where there is none, or it cannot be asked */
  gateway: number | null;
}

/** What the traffic has cost since the services started, US dollars at list prices. */
export interface RunningCost {
  /** upload to the store, requests, and what else this host sent; the host itself apart */
  usd: number;
  /** what it would be if viewers had everything from the store */
  r2_usd: number;
  /** what it would be if viewers had everything from the EC2 host */
  ec2_direct_usd: number;
  /** ISO 8601 */
  prices_as_of: string;
}

/** When each counter began, ISO 8601, UTC: its process' start; null where that is not known. */
export interface CountingSince {
  /** what viewers report: since signaling started */
  viewers: string | null;
  /** video by the services: since the last of them started */
  services: string | null;
  gateway: string | null;
  store: string | null;
}

/**
 * Body of signaling's `/history` and of `/api/history`: rows, oldest first, by column.
 *
 * Bytes and stalls are what was reported within the step. A row that is null is a step that
 * signaling slept over: what was reported meanwhile is in the row after it.
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
  /** the part of these three that belongs to viewers' start-up */
  startup: (number | null)[];
  /** the part of `p2p` that does */
  startup_p2p: (number | null)[];
  /** segments that were announced, as often as viewers were on their rendition */
  wanted: (number | null)[];
  uploaded: (number | null)[];
  stalls: (number | null)[];
  /** what viewers of replays received, who are in none of the other columns */
  replays_p2p: (number | null)[];
  replays_store: (number | null)[];
  /** median of the viewers that knew it; null also where none did */
  latency_s: (number | null)[];
}

/** Body of signaling's `/rooms`: the rooms of the process that answers. */
export interface RoomsView {
  /** the largest first */
  rooms: RoomSize[];
  /** viewers that cannot or may not share, which sit in no room */
  apart: number;
  /** of the room that was asked for, else of the largest; null without a room */
  picture: RoomPicture | null;
}

/** One room, in short. */
export interface RoomSize {
  room: string;
  members: number;
  /** of them, those that can be given slices */
  ready: number;
}

/** One room, and how it shares out the newest segment of each rendition: the plan for it. */
export interface RoomPicture {
  room: string;
  /** in the order of coming */
  members: RoomMember[];
  /** how many pieces the newest segment has, by rendition that somebody here plays */
  pieces: {
    [k: string]: number;
  };
  /** place in `members` → pieces of these that the plan has it fetch from the store */
  from_store: {
    [k: string]: number;
  };
  pushes: Push[];
}

/** One viewer in its room. */
export interface RoomMember {
  id: string;
  variant: number;
  ready: boolean;
  /** quarters of a full share; 0: receives only */
  weight: number;
  /** places in `members` of those that it says it has no link to */
  cut: number[];
  /** null where its socket is at another process */
  figures: ViewerFigures | null;
}

/** What one present viewer reported last, since it joined; null before its first report. */
export interface ViewerFigures {
  id: string;
  /** when it joined, Unix time */
  since: number;
  /** the rendition that it is on */
  variant: number;
  /** false: it cannot share, or may not */
  sharing: boolean;
  bytes: BytesBySource | null;
  startup: BytesBySource | null;
  uploaded: number | null;
  /** open now */
  links: number | null;
  stalls: number | null;
  latency_s: number | null;
}
