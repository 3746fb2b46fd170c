/** Keeps the stream of events open while the page is seen, and says how it is. */

import type { ServerEvent } from "./events";
import { TokenRejectedError, readEvents } from "./events";

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;

export interface ConnectionOptions {
  /** where the events are, as of now: it names what is there already */
  url: () => URL;
  token: string;
  onEvent: (event: ServerEvent) => void;
  /** the station does not answer; `why` is for the operator */
  onLost: (reason: string) => void;
  /** the token is wrong; nothing more is tried */
  onRefused: () => void;
}

export class Connection {
  #options: ConnectionOptions;
  #request: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #onVisible = (): void => {
    if (document.hidden) this.#pause();
    else this.reopen();
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    document.addEventListener("visibilitychange", this.#onVisible);
    this.reopen();
  }

  /** Opens the stream anew, for what its URL names now. */
  reopen(): void {
    this.#pause();
    void this.#read();
  }

  close(): void {
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#pause();
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
  }

  async #read(): Promise<void> {
    const request = new AbortController();
    this.#request = request;
    const { url, token, onEvent, onLost, onRefused } = this.#options;
    let reason = "the stream of figures has ended";
    try {
      const onServerEvent = (event: ServerEvent): void => {
        if (request.signal.aborted) return;
        this.#failures = 0;
        onEvent(event);
      };
      await readEvents(url(), token, onServerEvent, request.signal);
    } catch (error) {
      if (request.signal.aborted) return;
      if (error instanceof TokenRejectedError) {
        this.close();
        onRefused();
        return;
      }
      reason = error instanceof Error ? error.message : String(error);
    }
    if (request.signal.aborted) return;
    onLost(reason);
    this.#timer = setTimeout(
      () => {
        this.reopen();
      },
      Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures),
    );
    this.#failures += 1;
  }
}
