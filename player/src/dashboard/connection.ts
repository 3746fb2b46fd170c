/** Keeps the stream of events open while the page is seen, and says how it is. */

import type { ServerEvent } from "./events";
import { RefusedError, readEvents } from "./events";

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;

export interface ConnectionOptions {
  /** where the events are, as of now: it names what is there already */
  url: () => URL;
  token: string;
  onEvent: (event: ServerEvent) => void;
  /** the station does not answer; `why` is for the operator */
  onLost: (why: string) => void;
  /** the token is wrong; nothing more is tried */
  onRefused: () => void;
}

export class Connection {
  #o: ConnectionOptions;
  #reading: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #onVisible = (): void => {
    if (document.hidden) this.#pause();
    else this.renew();
  };

  constructor(options: ConnectionOptions) {
    this.#o = options;
    document.addEventListener("visibilitychange", this.#onVisible);
    this.renew();
  }

  /** Opens the stream anew, for what its URL names now. */
  renew(): void {
    this.#pause();
    void this.#read();
  }

  close(): void {
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#pause();
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#reading?.abort();
    this.#reading = null;
  }

  async #read(): Promise<void> {
    const reading = new AbortController();
    this.#reading = reading;
    const { url, token, onEvent, onLost, onRefused } = this.#o;
    let why = "the stream of figures has ended";
    try {
      const take = (event: ServerEvent): void => {
        if (reading.signal.aborted) return;
        this.#failures = 0;
        onEvent(event);
      };
      await readEvents(url(), token, take, reading.signal);
    } catch (error) {
      if (reading.signal.aborted) return;
      if (error instanceof RefusedError) {
        this.close();
        onRefused();
        return;
      }
      why = error instanceof Error ? error.message : String(error);
    }
    if (reading.signal.aborted) return;
    onLost(why);
    this.#timer = setTimeout(
      () => {
        this.renew();
      },
      Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures),
    );
    this.#failures += 1;
  }
}
