/** A look at the station's playlist: whether there is something to load. */

/** "ended": there is a playlist, but a closed one; "unknown": nobody could say. */
export type Probed = "live" | "ended" | "none" | "unknown";

const NEVER_BROADCAST = 404;

/** Fetches the playlist; of a multivariant playlist also its first media playlist. */
export async function probe(playlist: URL): Promise<Probed> {
  try {
    const response = await fetch(playlist);
    if (response.status === NEVER_BROADCAST) return "none";
    if (!response.ok) return "unknown";
    const text = await response.text();
    const media = /^#EXT-X-STREAM-INF:.*\s+([^#\s].*)$/m.exec(text)?.[1];
    if (media !== undefined) return await probe(new URL(media.trim(), playlist));
    return /^#EXT-X-ENDLIST/m.test(text) ? "ended" : "live";
  } catch {
    return "unknown";
  }
}
