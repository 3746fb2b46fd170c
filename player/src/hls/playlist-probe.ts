/** What the station's playlist tells before a player loads it. */

/** "ended": there is a playlist, but a closed one; "unknown": nobody could say. */
export type PlaylistState = "live" | "ended" | "none" | "unknown";

const NEVER_ON_AIR_STATUS = 404;

/** Fetches the playlist; of a multivariant playlist also its first media playlist. */
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
 * Returns the end of a media playlist's last segment; null where it does not say.
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

/** Ask for the playlist; null when there is none, or it cannot be read. */
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

/** Returns the first media playlist that a multivariant playlist names; null for a media playlist. */
function firstMediaPlaylist(text: string, playlist: URL): URL | null {
  const uri = /^#EXT-X-STREAM-INF:.*\s+([^#\s].*)$/m.exec(text)?.[1];
  return uri === undefined ? null : new URL(uri.trim(), playlist);
}
