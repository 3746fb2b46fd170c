/** What the station's playlist says before a player loads it. */

/**
 * "ended": the playlist has EXT-X-ENDLIST; "none": there is none; "unknown": it could not be read.
 */
export type PlaylistState = "live" | "ended" | "none" | "unknown";

const NEVER_ON_AIR_STATUS = 404;

/** Fetches the playlist, and the first media playlist if it is a multivariant playlist. */
export async function probePlaylist(playlist: URL): Promise<PlaylistState> {
  try {
    const response = await fetch(playlist);
    if (response.status === NEVER_ON_AIR_STATUS) return "none";
    if (!response.ok) return "unknown";
    const text = await response.text();
    const media = firstMediaPlaylist(text, playlist);
    if (media) return await probePlaylist(media);
    return /^#EXT-X-ENDLIST/m.test(text) ? "ended" : "live";
  } catch {
    return "unknown";
  }
}

/**
 * Returns when a media playlist's last segment ends; null without EXT-X-PROGRAM-DATE-TIME.
 *
 * @param playlist text of a media playlist (RFC 8216 section 4)
 */
export function lastSegmentEnd(playlist: string): Date | null {
  let endMs: number | null = null;
  for (const line of playlist.split("\n")) {
    const date = /^#EXT-X-PROGRAM-DATE-TIME:(.+)$/.exec(line.trim())?.[1];
    if (date !== undefined) endMs = Date.parse(date);
    const durationS = /^#EXTINF:([\d.]+)/.exec(line)?.[1];
    if (durationS !== undefined && endMs !== null) endMs += Number(durationS) * 1000;
  }
  return endMs === null || Number.isNaN(endMs) ? null : new Date(endMs);
}

/**
 * Returns when the playlist's last segment ends: when the station was last on air; null if unknown.
 */
export async function lastOnAir(playlist: URL): Promise<Date | null> {
  try {
    const response = await fetch(playlist);
    if (!response.ok) return null;
    const text = await response.text();
    const media = firstMediaPlaylist(text, playlist);
    return media ? await lastOnAir(media) : lastSegmentEnd(text);
  } catch {
    return null;
  }
}

/**
 * Returns the first media playlist that a multivariant playlist names; null for a media playlist.
 */
function firstMediaPlaylist(text: string, playlist: URL): URL | null {
  const uri = /^#EXT-X-STREAM-INF:.*\s+([^#\s].*)$/m.exec(text)?.[1];
  return uri === undefined ? null : new URL(uri.trim(), playlist);
}
