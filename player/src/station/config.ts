/** `/config.json`: what a page needs to know about its station. */

import type { SeedPolicy } from "../engine/torrent-seed";
import type { JoinToken } from "../room/signaling";

/** Whether sharing starts at once ("notice") or only with the viewer's consent ("ask"). */
export type Consent = "notice" | "ask";

export interface StationConfig {
  title: string;
  /** image shown while there is no picture; null if there is none */
  poster: URL | null;
  consent: Consent;
  playlist: URL;
  room: URL;
  segments: URL;
  /** list of replays; null if the station keeps none */
  replays: URL | null;
  tracker: URL;
  /** p2p-media-loader's `swarmId` */
  swarm: string;
  iceServers: RTCIceServer[];
  /** when viewers turn to the torrent seed; null: never */
  seedPolicy: SeedPolicy | null;
  joinToken: JoinToken;
}

/**
 * Fetches the station's `/config.json`.
 *
 * @throws if the request fails, the response is invalid, or `signal` is aborted
 */
export async function fetchConfig(page: URL, signal?: AbortSignal): Promise<StationConfig> {
  const response = await fetch(new URL("/config.json", page), signal ? { signal } : {});
  if (!response.ok) throw new Error(`/config.json: the site answered HTTP ${response.status}`);
  return parseConfig(await response.json(), page);
}

/**
 * Parses `/config.json`. URLs in it may be relative to the page.
 *
 * @throws if a field is missing or invalid
 */
export function parseConfig(value: unknown, page: URL): StationConfig {
  if (typeof value !== "object" || value === null) throw new Error("/config.json: not an object");
  const config = value as Record<string, unknown>;
  const text = (name: string): string => {
    const field = config[name];
    if (typeof field !== "string") throw new Error(`/config.json: ${name} is not a string`);
    return field;
  };
  const socket = (name: string): URL => {
    const url = new URL(text(name), page);
    // http → ws, https → wss
    url.protocol = url.protocol.replace(/^http/, "ws");
    return url;
  };
  const iceServers = config["ice_servers"];
  const standby = text("standby");
  if (standby !== "standby" && standby !== "assist" && standby !== "off")
    throw new Error(`/config.json: standby is ${standby}, not standby, assist or off`);
  const consent = text("consent");
  if (consent !== "notice" && consent !== "ask")
    throw new Error(`/config.json: consent is ${consent}, not notice or ask`);
  const poster = config["poster"];
  const replays = config["replays"];
  const lifetimeS = config["join_token_lifetime_s"];
  if (typeof lifetimeS !== "number" || !(lifetimeS > 0))
    throw new Error("/config.json: join_token_lifetime_s is not a positive number");
  return {
    title: text("title"),
    poster: typeof poster === "string" ? new URL(poster, page) : null,
    consent,
    playlist: new URL(text("playlist"), page),
    room: socket("room"),
    segments: new URL(text("segments"), page),
    replays: typeof replays === "string" ? new URL(replays, page) : null,
    tracker: socket("tracker"),
    swarm: text("swarm"),
    iceServers: Array.isArray(iceServers) ? (iceServers as RTCIceServer[]) : [],
    seedPolicy: standby === "off" ? null : standby,
    joinToken: { text: text("join_token"), lifetimeMs: lifetimeS * 1000 },
  };
}
