/** The WebSocket to signaling: joins, reconnects, passes messages on in order. */

import type { ClientMessage, ServerMessage, Variant } from "../protocol/messages";
import { PLAN_VERSION, TOKEN_ERRORS, parseServerMessage } from "../protocol/messages";

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;
/** After a restart of signaling all viewers reconnect; this spreads the load. */
export const RECONNECT_SPREAD_MS = 5_000;

/** Signaling knows only the newest replays, and none right after a restart. */
const UNKNOWN_REPLAY_BACKOFF_MS = 120_000;

export interface SignalingOptions {
  url: URL;
  /** id of the replay being watched; undefined for the live stream */
  replay?: string | undefined;
  WebSocket: typeof WebSocket;
  tokens: JoinTokens;
  /** the variant to join with */
  variant: () => Variant;
  /** false: counted as a viewer, but in no roster */
  sharing: boolean;
  /** false if this viewer does not upload */
  upload: boolean;
  onMessage: (message: ServerMessage) => void;
  /** the connection is lost, and with it the membership */
  onLost: () => void;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

/** The WebSocket to signaling. */
export class Signaling {
  #options: SignalingOptions;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  /** whether signaling rejected the replay as unknown, which lasts longer than other errors */
  #replayUnknown = false;
  #joined = false;
  #closed = false;

  constructor(options: SignalingOptions) {
    this.#options = options;
    void this.#connect();
  }

  /** Whether this viewer is in a room and its connection is open. */
  get joined(): boolean {
    return this.#joined;
  }

  /**
   * Send a message if the connection is open. Otherwise it is dropped, because it would arrive too
   * late to be of use.
   *
   * @returns whether it was sent
   */
  send(message: ClientMessage): boolean {
    const socket = this.#socket;
    if (!socket || socket.readyState !== socket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  async #connect(): Promise<void> {
    const { tokens } = this.#options;
    const token = tokens.current ?? (await tokens.renew());
    if (this.#closed) return;
    const socket = new this.#options.WebSocket(this.#options.url);
    this.#socket = socket;
    socket.onopen = () => {
      const { sharing, upload, replay } = this.#options;
      const variant = this.#options.variant();
      const viewer = { variant, sharing, upload, replay: replay ?? null };
      this.send({ type: "join", plan_version: PLAN_VERSION, ...viewer, token });
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      const message = typeof data === "string" ? parseServerMessage(data) : null;
      if (!message) return;
      if (message.type === "room") {
        this.#joined = true;
        // reset only when the server lets us in: one that accepts the connection and then rejects
        // the join must not be retried without delay
        this.#failures = 0;
      }
      this.#replayUnknown = message.type === "error" && message.code === "unknown_replay";
      if (message.type === "error" && TOKEN_ERRORS.includes(message.code)) tokens.markRejected();
      this.#options.onMessage(message);
    };
    // an error event is always followed by close
    socket.onclose = () => {
      const wasJoined = this.#joined;
      this.#joined = false;
      if (this.#closed) return;
      if (wasJoined) this.#options.onLost();
      this.#timer = setTimeout(
        () => {
          void this.#connect();
        },
        wasJoined ? RECONNECT_SPREAD_MS * this.#random() : this.#backoffMs(),
      );
      this.#failures += 1;
    };
  }

  /**
   * Exponential backoff with jitter, so that the viewers of a room do not reconnect all at once.
   */
  #backoffMs(): number {
    const usual = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    const maxDelay = this.#replayUnknown ? UNKNOWN_REPLAY_BACKOFF_MS : usual;
    return maxDelay * (0.5 + 0.5 * this.#random());
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

export interface JoinToken {
  text: string;
  lifetimeMs: number;
}

export interface JoinTokensOptions {
  /** the token that came with this page, just issued */
  first: JoinToken;
  /** requests a new token from the site; rejects on failure or when `signal` is aborted */
  renew: (signal: AbortSignal) => Promise<JoinToken>;
  /** milliseconds, monotonic */
  now: () => number;
}

/** Past this, join with the old token: it may still be valid. */
const RENEW_TIMEOUT_MS = 5_000;
/** Fraction of its lifetime during which a token is used without asking for a new one. */
const FRESH_FRACTION = 0.5;

/** The join token from `/config.json`: short-lived, and renewed before it expires. */
export class JoinTokens {
  #options: JoinTokensOptions;
  #token: JoinToken;
  #issuedAt: number;
  #rejected = false;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
    this.#token = options.first;
    this.#issuedAt = options.now();
  }

  /** The token to join with; null if it should be renewed first. */
  get current(): string | null {
    const ageMs = this.#options.now() - this.#issuedAt;
    const old = ageMs > this.#token.lifetimeMs * FRESH_FRACTION;
    return old || this.#rejected ? null : this.#token.text;
  }

  /** Signaling rejected the token. */
  markRejected(): void {
    this.#rejected = true;
  }

  /** Request a new token. Returns the old one if that fails: it may still be valid. */
  async renew(): Promise<string> {
    try {
      this.#token = await this.#options.renew(AbortSignal.timeout(RENEW_TIMEOUT_MS));
      this.#issuedAt = this.#options.now();
      this.#rejected = false;
    } catch {
      // retried before the next join
    }
    return this.#token.text;
  }
}
