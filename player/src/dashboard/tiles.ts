/** The current statistics, as tiles. Pure. */

import type { Hourly } from "./costs";
import { bytes, percent, seconds } from "../ui/format";
import { copies, count, dollars } from "./format";
import type { HistoryWindow } from "./history";
import type { Station } from "./health";
import type { BytesBySource } from "./types";

export interface Tile {
  name: string;
  value: string;
  detail: string;
  /** "bad": the operator should act */
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
        : `recently; ${percent(station.share)} since signaling started`,
    ),
    tile(
      "Copies per segment",
      copies(history.copiesNow),
      rooms === null
        ? ""
        : `fetched in the last minute, ${rooms === 1 ? "1 room" : `${rooms} rooms`}`,
    ),
    tile("Latency", seconds(latency_s), "behind live, median"),
    tile(
      "Stalls",
      count(history.size > 0 ? history.stalls : null),
      stalls === null ? "" : `in this time range; ${count(stalls)} since signaling started`,
    ),
    {
      ...tile("Video through this host", bytes(ec2), ec2 ? "should be 0" : ""),
      tone: ec2 ? "bad" : "plain",
    },
    tile(
      "Cost per hour",
      dollars(hourly?.usd),
      hourly ? `${dollars(hourly.ec2DirectUsd)} straight from EC2` : cost ? "measuring" : "",
    ),
    tile(
      "Cost so far",
      dollars(cost?.usd),
      cost
        ? `since the services started, without the host; list prices of ${cost.prices_as_of}`
        : "unknown",
    ),
  ];
}

/** Returns video bytes from the EC2 host: the larger of two counts, as in the report. */
export function ec2Video({ ec2_video: { services, gateway } }: Station): number | null {
  return services === null ? gateway : Math.max(services, gateway ?? 0);
}

function tile(name: string, value: string, detail: string): Tile {
  return { name, value, detail, tone: "plain" };
}

function linkedText(peers: number | null, notSharing: number | null): string {
  if (peers === null || notSharing === null) return "";
  return `${count(peers)} connected to others, ${count(notSharing)} not sharing`;
}

/** Returns peer bytes ÷ all bytes; null if there are none. */
export function shareOf(received: BytesBySource | null): number | null {
  if (received === null) return null;
  const all = received.p2p + received.store + received.seed;
  return all > 0 ? received.p2p / all : null;
}
