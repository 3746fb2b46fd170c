/** The figures of this moment, as tiles. Pure. */

import type { Hourly } from "./costs";
import { bytes, percent, seconds } from "../ui/format";
import { copies, count, dollars } from "./format";
import type { HistoryWindow } from "./history";
import type { Bytes, Station } from "./types";

export interface Tile {
  name: string;
  value: string;
  detail: string;
  /** "bad": the operator should do something about it */
  tone: "plain" | "bad";
}

export function tiles(station: Station, history: HistoryWindow, hourly: Hourly | null): Tile[] {
  const { cost, viewers, peers, not_sharing, rooms, latency_s, stalls } = station;
  const ec2 = ec2Video(station);
  return [
    tile("Viewers", count(viewers), linkedText(peers, not_sharing)),
    tile(
      "From other viewers",
      percent(shareOf(station.recent) ?? station.share),
      shareOf(station.recent) === null
        ? "since signaling started"
        : `lately; ${percent(station.share)} since signaling started`,
    ),
    tile(
      "Copies of a segment",
      copies(history.copiesNow),
      rooms === null
        ? ""
        : `fetched in the last minute, ${rooms === 1 ? "1 room" : `${rooms} rooms`}`,
    ),
    tile("Delay", seconds(latency_s), "behind live, median"),
    tile(
      "Stalls",
      count(history.size > 0 ? history.stalls : null),
      stalls === null ? "" : `in the time shown; ${count(stalls)} since signaling started`,
    ),
    {
      ...tile("Video through this host", bytes(ec2), ec2 ? "it should be 0" : ""),
      tone: ec2 ? "bad" : "plain",
    },
    tile(
      "Cost of an hour",
      dollars(hourly?.usd),
      hourly ? `${dollars(hourly.ec2DirectUsd)} straight from EC2` : cost ? "measuring" : "",
    ),
    tile(
      "Cost so far",
      dollars(cost?.usd),
      cost
        ? `since the services started, the host apart; list prices of ${cost.prices_as_of}`
        : "not known",
    ),
  ];
}

/** Of two counts the larger one stands, as in the report. */
export function ec2Video({ ec2_video: { services, gateway } }: Station): number | null {
  return services === null ? gateway : Math.max(services, gateway ?? 0);
}

function tile(name: string, value: string, detail: string): Tile {
  return { name, value, detail, tone: "plain" };
}

function linkedText(peers: number | null, notSharing: number | null): string {
  if (peers === null || notSharing === null) return "";
  return `${count(peers)} linked, ${count(notSharing)} cannot or may not share`;
}

/** Peers' part of what came lately; null while that is nothing. */
export function shareOf(received: Bytes | null): number | null {
  if (received === null) return null;
  const all = received.p2p + received.store + received.seed;
  return all > 0 ? received.p2p / all : null;
}
