/** When the station was last on air, by the end of the playlist that it left behind. */

/**
 * Returns the end of a media playlist's last segment; null where it does not say.
 *
 * @param playlist text of a media playlist (RFC 8216 section 4)
 */
export function endOf(playlist: string): Date | null {
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
    const media = /^#EXT-X-STREAM-INF:.*\s+([^#\s].*)$/m.exec(text)?.[1];
    return media === undefined ? endOf(text) : await lastOnAir(new URL(media.trim(), playlist));
  } catch {
    return null;
  }
}
