/** Server-sent events over fetch, because an EventSource cannot send a token. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** Parses a stream of text into events (HTML Standard, 9.2.6; our lines end in \n). No I/O. */
export class EventParser {
  #incomplete = "";
  #name = "";
  #data: string[] = [];

  /** Returns the events that `text` completes. */
  push(text: string): ServerEvent[] {
    const lines = (this.#incomplete + text).split("\n");
    this.#incomplete = lines.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const line of lines) {
      if (line !== "") this.#readLine(line);
      else if (this.#data.length > 0)
        events.push({ name: this.#name || "message", data: this.#data.join("\n") });
      if (line === "") {
        this.#name = "";
        this.#data = [];
      }
    }
    return events;
  }

  #readLine(line: string): void {
    const [, field, value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }
}

/** The station rejected the operator's token. */
export class TokenRejectedError extends Error {}

/** The stream sends something every 2 s, so silence means that the connection is broken. */
const SILENCE_TIMEOUT_MS = 10_000;

/**
 * Reads events until the stream ends.
 *
 * @throws TokenRejectedError if the token is rejected; other errors if the request fails, the
 * stream falls silent, or `signal` is aborted
 */
export async function readEvents(
  url: URL,
  token: string,
  onEvent: (event: ServerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const timeout = new AbortController();
  const onSilence = (): void => {
    timeout.abort(new Error(`no data from ${url.pathname} for ${SILENCE_TIMEOUT_MS / 1000} s`));
  };
  let silence = setTimeout(onSilence, SILENCE_TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
      signal: AbortSignal.any([signal, timeout.signal]),
    });
    if (response.status === 401) throw new TokenRejectedError("the station rejected this token");
    if (!response.ok || !response.body)
      throw new Error(`${url.pathname}: the site answered HTTP ${response.status}`);
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(onSilence, SILENCE_TIMEOUT_MS);
      for (const event of parser.push(value)) onEvent(event);
    }
  } finally {
    clearTimeout(silence);
  }
}
