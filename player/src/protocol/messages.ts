/** Messages between viewers and signaling on `/ws/room`: docs/protocol.md, "Joining". */

/** Version of the slice plan that this page computes. All members of a room use the same one. */
export const PLAN_VERSION = 2;

/**
 * Limits that the contract sets for a segment (services/shoal/segments.py); larger values are
 * rejected.
 */
const MIN_PIECE_BYTES = 16 * 1024;
const MAX_PIECES = 32;
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;

export type MemberId = string;
/** Number of the variant in Owncast's configuration. */
export type Variant = number;
/** Media sequence number in the station's playlist. */
export type Sequence = number;

export interface RosterEntry {
  id: MemberId;
  variant: Variant;
  ready: boolean;
  /** upload weight in quarters of a full share: 4, 2, 1, or 0 if the member only receives */
  weight: number;
  /** members it has no link to (wire: `cut`) */
  unreachable: readonly MemberId[];
}

/** A published segment: the fields of `/live/segments.json` that the engine uses. */
export interface Descriptor {
  variant: Variant;
  sequence: Sequence;
  /** absolute URL of the object in the store */
  url: string;
  /** bytes */
  size: number;
  /** seconds */
  duration: number;
  /** size of every piece but the last, bytes */
  pieceSize: number;
  /** SHA-256 of each piece, base64 */
  pieceHashes: readonly string[];
  /** infohash of its torrent (BitTorrent v1), hex; null if it has none */
  infohash: string | null;
  /** false if only the torrent seed had the segment when it was published */
  stored: boolean;
}

/** What two members exchange through signaling in order to connect. */
export type SignalData =
  | { description: { type: "offer" | "answer"; sdp: string } }
  | { candidates: RTCIceCandidateInit[] };

export interface RosterMessage {
  type: "room";
  room: string;
  epoch: number;
  you: MemberId;
  /** thirty-seconds of a segment that every member fetches from the store (wire: `for_all`) */
  originShare: number;
  members: RosterEntry[];
}
export interface SegmentMessage {
  type: "segment";
  epoch: number;
  descriptor: Descriptor;
}
export interface SignalMessage {
  type: "signal";
  from: MemberId;
  data: SignalData;
}
export interface StreamMessage {
  type: "stream";
  stream: string | null;
  live: boolean;
}
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
}
/** Error codes for a rejected join token. The viewer can try again with a new one. */
export const TOKEN_ERRORS: readonly string[] = ["token_missing", "token_invalid", "token_expired"];
export type ServerMessage =
  RosterMessage | SegmentMessage | SignalMessage | StreamMessage | ErrorMessage;

/** Bytes received, by source. */
export interface SourceBytes {
  p2p: number;
  store: number;
  seed: number;
}
/** A viewer's stats, counted from its join. */
export interface StatsMessage {
  type: "stats";
  bytes: SourceBytes;
  startup: SourceBytes;
  uploaded: number;
  peers: number;
  stalls: number;
  latency_s: number | null;
  /** measured uplink to other members, bit/s; null unless the uplink was the bottleneck recently */
  uplink_bps: number | null;
}
export type ClientMessage =
  | {
      type: "join";
      plan_version: number;
      variant: Variant;
      sharing: boolean;
      upload: boolean;
      token: string;
      /** id of the replay being watched; null for the live stream */
      replay: string | null;
    }
  | { type: "variant"; variant: Variant }
  | { type: "links"; cut: readonly MemberId[] }
  | { type: "report"; member: MemberId }
  | { type: "signal"; to: MemberId; data: SignalData }
  | { type: "ready" }
  | StatsMessage;

/** Parse one text frame. Returns null unless it is a valid message of a known type. */
export function parseServerMessage(text: string): ServerMessage | null {
  const value = parseJson(text);
  if (!isRecord(value)) return null;
  switch (value["type"]) {
    case "room":
      return parseRoster(value);
    case "segment": {
      const descriptor = parseDescriptor(value["descriptor"]);
      const epoch = value["epoch"];
      return descriptor && isCount(epoch) ? { type: "segment", epoch, descriptor } : null;
    }
    case "signal": {
      const data = parseSignalData(value["data"]);
      const from = value["from"];
      return data && isText(from) ? { type: "signal", from, data } : null;
    }
    case "stream": {
      const { stream, live } = value;
      if (!(isText(stream) || stream === null) || typeof live !== "boolean") return null;
      return { type: "stream", stream, live };
    }
    case "error": {
      const { code, message } = value;
      return isText(code) && isText(message) ? { type: "error", code, message } : null;
    }
    default:
      return null;
  }
}

/**
 * Parse one descriptor of `/live/segments.json` or of a `segment` message. Returns null if it is
 * invalid.
 */
export function parseDescriptor(value: unknown): Descriptor | null {
  if (!isRecord(value)) return null;
  const { variant, sequence, url, size, duration, piece_size: pieceSize, pieces } = value;
  if (!isCount(variant) || variant > 0xff || !isCount(sequence) || sequence > 0xffff_ffff)
    return null;
  if (!isText(url) || !isCount(size) || size === 0 || size > MAX_SEGMENT_BYTES) return null;
  if (typeof duration !== "number" || !(duration > 0)) return null;
  if (!isCount(pieceSize) || pieceSize < MIN_PIECE_BYTES || !Number.isInteger(Math.log2(pieceSize)))
    return null;
  if (!Array.isArray(pieces) || pieces.length > MAX_PIECES || !pieces.every(isText)) return null;
  if (pieces.length !== Math.ceil(size / pieceSize)) return null;
  const infohash = parseInfohash(value["infohash"]);
  const stored = value["stored"] !== false;
  const fields = { variant, sequence, url, size, duration, pieceSize, infohash, stored };
  return { ...fields, pieceHashes: pieces };
}

/** Parse the body of `/live/<variant>/segments.json`, skipping invalid descriptors. */
export function parseSegmentList(value: unknown): Descriptor[] {
  if (!isRecord(value) || !isRecord(value["variants"])) return [];
  return Object.values(value["variants"]).flatMap((variant) => {
    const segments = isRecord(variant) ? variant["segments"] : null;
    if (!Array.isArray(segments)) return [];
    return segments.map(parseDescriptor).filter((descriptor) => descriptor !== null);
  });
}

/** An invalid infohash counts as none: the segment is available without its torrent. */
function parseInfohash(value: unknown): string | null {
  return isText(value) && /^[0-9a-f]{40}$/.test(value) ? value : null;
}

function parseRoster(value: Record<string, unknown>): RosterMessage | null {
  const { room, epoch, you, for_all: originShare, members } = value;
  if (!isText(room) || !isCount(epoch) || !isText(you) || !Array.isArray(members)) return null;
  if (value["plan_version"] !== PLAN_VERSION || !isCount(originShare)) return null;
  const entries: unknown[] = members;
  const ids = entries.map((entry) => (isRecord(entry) && isText(entry["id"]) ? entry["id"] : null));
  const parsed: RosterEntry[] = [];
  for (const [index, line] of entries.entries()) {
    const id = ids[index];
    if (!isRecord(line) || id === null || id === undefined) return null;
    const { variant, ready, weight, cut } = line;
    if (!isCount(variant) || typeof ready !== "boolean" || !isCount(weight)) return null;
    if (!Array.isArray(cut)) return null;
    const unreachable = cut.map((place: unknown) => (isCount(place) ? ids[place] : null));
    if (unreachable.some((name) => typeof name !== "string")) return null;
    parsed.push({ id, variant, ready, weight, unreachable: unreachable as MemberId[] });
  }
  return { type: "room", room, epoch, you, originShare, members: parsed };
}

function parseSignalData(value: unknown): SignalData | null {
  if (!isRecord(value)) return null;
  const { description, candidates } = value;
  if (isRecord(description)) {
    const { type, sdp } = description;
    if ((type !== "offer" && type !== "answer") || !isText(sdp)) return null;
    return { description: { type, sdp } };
  }
  return Array.isArray(candidates) && candidates.every(isRecord) ? { candidates } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isText(value: unknown): value is string {
  return typeof value === "string";
}
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
