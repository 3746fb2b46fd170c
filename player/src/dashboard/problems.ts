/** What is wrong, as the services report it. Pure. */

import { ec2Video } from "./tiles";
import type { Health, Station } from "./health";

export interface ProblemLine {
  service: string;
  message: string;
  /** ISO 8601; null if unknown */
  since: string | null;
}

const UNREACHABLE = "unreachable";

/** Returns the problems that the operator should see first. */
export function problemLines(station: Station): ProblemLine[] {
  const found: ProblemLine[] = [];
  for (const [service, health] of Object.entries(station.services)) {
    const problems = health.problems ?? [];
    found.push(
      ...problems.map(({ message, since }) => ({ service, message, since: since ?? null })),
    );
    if (health.status !== "ok" && problems.length === 0)
      found.push({ service, message: statusMessage(health), since: null });
  }
  if (station.ec2_video.services !== null && ec2Video(station))
    found.push({
      service: "this host",
      message: "serves video, which should come only from the store and from other viewers",
      since: null,
    });
  const { viewers, peers, not_sharing: notSharing } = station;
  // signaling reports this itself once it has lasted half a minute
  const reported = station.services["signaling"]?.problems?.some(({ code }) => code === "no_links");
  if (
    !reported &&
    viewers !== null &&
    notSharing !== null &&
    viewers - notSharing > 1 &&
    peers === 0
  )
    found.push({
      service: "rooms",
      message:
        `no links between ${viewers} viewers, so all video comes from the store. This is normal for` +
        " 15 s after they join; after that, check a viewer's console",
      since: null,
    });
  return found;
}

function statusMessage({ status }: Health): string {
  return status === UNREACHABLE
    ? "does not respond: check that it is running, and its log"
    : `reports its status as ${status}`;
}

/** Returns what a service reports about itself, as names and values. */
export function healthFacts(health: Health): [string, string][] {
  const { last_segment_age_s: age, store, standby, signaling, chunks } = health;
  const facts: [string, string | undefined][] = [
    ["newest segment", typeof age === "number" ? `${age.toFixed(0)} s ago` : undefined],
    ["segments", chunks?.toLocaleString("en")],
    ["store", store],
    ["torrent seed", standby],
    ["signaling", signaling],
    ["viewers in rooms", health.room_peers?.toString()],
    ["torrent peers", health.torrent_peers?.toString()],
    ["torrents", health.torrents?.toString()],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}
