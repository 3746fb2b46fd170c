/** The station's replays, as its list names them. */

export interface Replay {
  id: string;
  start: Date;
  durationS: number;
  /** bytes */
  size: number;
  playlist: URL;
  /** `…/segments.json`; a rendition's own list is `…/<variant>/segments.json` */
  hashes: URL;
  /** null: it is still being made */
  torrent: { magnet: string; file: URL } | null;
}

/**
 * Ask for the list, newest first.
 *
 * @throws if it cannot be had, or is not what we know
 */
export async function fetchReplays(list: URL): Promise<Replay[]> {
  const response = await fetch(list);
  if (!response.ok) throw new Error(`${list.pathname}: the station answered ${response.status}`);
  return parseReplays(await response.json(), list);
}

/**
 * Read the list.
 *
 * @throws if it is not what we know
 */
export function parseReplays(value: unknown, base: URL): Replay[] {
  const { replays } = value as { replays?: unknown };
  if (!Array.isArray(replays)) throw new Error("the list of replays has none");
  return replays.map((item) => parseReplay(item as Record<string, unknown>, base));
}

function parseReplay(item: Record<string, unknown>, base: URL): Replay {
  const text = (name: string): string => {
    const field = item[name];
    if (typeof field !== "string") throw new Error(`a replay's ${name} is missing`);
    return field;
  };
  const number = (name: string): number => {
    const field = item[name];
    if (typeof field !== "number") throw new Error(`a replay's ${name} is missing`);
    return field;
  };
  const { magnet, torrent } = item;
  const shared = typeof magnet === "string" && typeof torrent === "string";
  // a link that the page shows is nothing else
  if (shared && !magnet.startsWith("magnet:?")) throw new Error("a replay's magnet is none");
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
  if (!url.protocol.startsWith("http")) throw new Error(`${text} is no address on the web`);
  return url;
}

/** How long something takes, for people: "1 h 12 min", "12 min", "40 s". */
export function durationText(s: number): string {
  if (s < 60) return `${Math.round(s)} s`;
  const minutes = Math.round(s / 60);
  const h = Math.floor(minutes / 60);
  return h === 0 ? `${minutes} min` : `${h} h ${minutes % 60} min`;
}
