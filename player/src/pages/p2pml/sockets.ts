/** Join tokens for a tracker client that never changes its tracker's URL. */

import { fetchConfig } from "../../station/config";
import type { StationConfig } from "../../station/config";

/** Makes every new WebSocket to our tracker carry a join token that is valid at that time. */
export function useJoinTokens(config: StationConfig, page: URL): void {
  let token = config.joinToken.text;
  setInterval(() => {
    fetchConfig(page).then(
      ({ joinToken }) => {
        token = joinToken.text;
      },
      // try again next time
      () => undefined,
    );
  }, config.joinToken.lifetimeMs / 2);
  window.WebSocket = withToken(WebSocket, config.tracker, () => token);
}

/** Returns a WebSocket class that adds the current token to connections to `tracker`. */
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
