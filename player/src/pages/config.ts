/** `/config.json`: what the page must know of this station. */

export interface StationConfig {
  title: string;
  playlist: URL;
  room: URL;
  segments: URL;
  iceServers: RTCIceServer[];
}

/**
 * Read `/config.json`. URLs in it may be relative to the page.
 *
 * @throws if it is not what we know
 */
export function parseConfig(value: unknown, page: URL): StationConfig {
  if (typeof value !== "object" || value === null) throw new Error("/config.json: not an object");
  const config = value as Record<string, unknown>;
  const text = (name: string): string => {
    const field = config[name];
    if (typeof field !== "string") throw new Error(`/config.json: ${name} is missing`);
    return field;
  };
  const room = new URL(text("room"), page);
  // http → ws, https → wss
  room.protocol = room.protocol.replace(/^http/, "ws");
  const iceServers = config["ice_servers"];
  return {
    title: text("title"),
    playlist: new URL(text("playlist"), page),
    room,
    segments: new URL(text("segments"), page),
    iceServers: Array.isArray(iceServers) ? (iceServers as RTCIceServer[]) : [],
  };
}
