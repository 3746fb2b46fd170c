/** Keeps the stream of events open while the page is visible, and reports its state. */

import type { ServerEvent } from "./events";
import { TokenRejectedError, readEvents } from "./events";

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;

export interface ConnectionOptions {
  /** returns the current URL of the events, which excludes data that the page already has */
  url: () => URL;
  token: string;
  onEvent: (event: ServerEvent) => void;
  /** the connection failed and will be retried; `reason` is for the operator */
  onLost: (reason: string) => void;
  /** the token was rejected; there are no more retries */
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

  /** Opens the stream again, with its current URL. */
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
    let reason = "the station closed the stream of events";
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
