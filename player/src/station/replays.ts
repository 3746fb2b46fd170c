/** The station's list of replays. */

export interface Replay {
  id: string;
  start: Date;
  durationS: number;
  /** bytes */
  size: number;
  playlist: URL;
  /** `…/segments.json`; the list of one variant is `…/<variant>/segments.json` */
  hashes: URL;
  /** null while it is still being made */
  torrent: { magnet: string; file: URL } | null;
}

/**
 * Fetches the list, newest first.
 *
 * @throws if the request fails or the list is invalid
 */
export async function fetchReplays(list: URL): Promise<Replay[]> {
  const response = await fetch(list);
  if (!response.ok)
    throw new Error(`${list.pathname}: the station answered HTTP ${response.status}`);
  return parseReplays(await response.json(), list);
}

/**
 * Parses the list.
 *
 * @throws if it is invalid
 */
export function parseReplays(value: unknown, base: URL): Replay[] {
  const { replays } = value as { replays?: unknown };
  if (!Array.isArray(replays)) throw new Error("the list of replays has no array `replays`");
  return replays.map((item) => parseReplay(item as Record<string, unknown>, base));
}

function parseReplay(item: Record<string, unknown>, base: URL): Replay {
  const text = (name: string): string => {
    const field = item[name];
    if (typeof field !== "string") throw new Error(`a replay's ${name} is not a string`);
    return field;
  };
  const number = (name: string): number => {
    const field = item[name];
    if (typeof field !== "number") throw new Error(`a replay's ${name} is not a number`);
    return field;
  };
  const { magnet, torrent } = item;
  const shared = typeof magnet === "string" && typeof torrent === "string";
  // the page links to it, so it must not be any other kind of URL
  if (shared && !magnet.startsWith("magnet:?"))
    throw new Error(`a replay's magnet is not a magnet link`);
  return {
    id: text("id"),
    start: new Date(text("begun")),
    durationS: number("duration"),
    size: number("size"),
    playlist: httpUrl(text("playlist"), base),
    hashes: httpUrl(text("hashes"), base),
    torrent: shared ? { magnet, file: httpUrl(torrent, base) } : null,
  };
}

function httpUrl(text: string, base: URL): URL {
  const url = new URL(text, base);
  if (!url.protocol.startsWith("http")) throw new Error(`${text} is not an HTTP URL`);
  return url;
}

/** Formats a duration in seconds: "1 h 12 min", "12 min", "40 s". */
export function durationText(s: number): string {
  if (s < 60) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  const h = Math.floor(minutes / 60);
  return h === 0 ? `${minutes} min` : `${h} h ${minutes % 60} min`;
}
