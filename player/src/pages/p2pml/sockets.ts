/** Join tokens for a tracker client that keeps its tracker's URL for ever. */

import { fetchConfig } from "../../station/config";
import type { StationConfig } from "../../station/config";

/** Lets every new socket to our tracker carry a token that is valid then. */
export function useJoinTokens(config: StationConfig, page: URL): void {
  let token = config.joinToken.text;
  setInterval(() => {
    fetchConfig(page).then(
      ({ joinToken }) => {
        token = joinToken.text;
      },
      // the next time, then
      () => undefined,
    );
  }, config.joinToken.lifetimeMs / 2);
  window.WebSocket = withToken(WebSocket, config.tracker, () => token);
}

/** Returns a WebSocket class whose sockets to `tracker` carry the token of the moment. */
export function withToken(
  Base: typeof WebSocket,
  tracker: URL,
  token: () => string,
): typeof WebSocket {
  return class extends Base {
    constructor(url: string | URL, protocols?: string | string[]) {
      const target = new URL(url);
      if (target.href === tracker.href) target.searchParams.set("token", token());
      super(target, protocols);
    }
  };
}
