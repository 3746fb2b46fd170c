/** Join tokens for a tracker client that keeps its tracker's URL for ever. */

/** Returns a WebSocket class whose sockets to `tracker` carry the token of the moment. */
export function withToken(
  Base: typeof WebSocket,
  tracker: URL,
  token: () => string,
): typeof WebSocket {
  return class extends Base {
    constructor(url: string | URL, protocols?: string | string[]) {
      const wanted = new URL(url);
      if (wanted.href === tracker.href) wanted.searchParams.set("token", token());
      super(wanted, protocols);
    }
  };
}
