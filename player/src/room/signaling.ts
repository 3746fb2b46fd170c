/** The WebSocket to signaling: joins, keeps trying, hands messages on in order. */

import type { ClientMessage, ServerMessage, Variant } from "../protocol/messages";
import { PLAN_VERSION, TOKEN_REFUSALS, parseServerMessage } from "../protocol/messages";

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;
/** When signaling restarts, all of its viewers come back: spread over this long. */
export const RECONNECT_SPREAD_MS = 5_000;

/** Signaling knows the newest replays only, and none just after it was restarted. */
const UNKNOWN_REPLAY_BACKOFF_MS = 120_000;

export interface SignalingOptions {
  url: URL;
  /** id of the replay that is watched; undefined: the live stream */
  replay?: string | undefined;
  WebSocket: typeof WebSocket;
  tokens: JoinTokens;
  /** the rendition to join for */
  variant: () => Variant;
  /** false: only to be counted, in no roster */
  sharing: boolean;
  /** false: this viewer sends nothing to others */
  upload: boolean;
  onMessage: (message: ServerMessage) => void;
  /** the connection is gone, and this viewer out of its room */
  onLost: () => void;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

export class Signaling {
  #options: SignalingOptions;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  /** whether the last refusal will last */
  #replayUnknown = false;
  #joined = false;
  #closed = false;

  constructor(options: SignalingOptions) {
    this.#options = options;
    void this.#connect();
  }

  /** Whether this viewer is in a room over a connection that is up. */
  get joined(): boolean {
    return this.#joined;
  }

  /**
   * Send a message if the connection is up; without one it would come too late anyway.
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
        // only a server that lets us in ends the backoff: one that accepts and refuses does not
        this.#failures = 0;
      }
      this.#replayUnknown = message.type === "error" && message.code === "unknown_replay";
      if (message.type === "error" && TOKEN_REFUSALS.includes(message.code)) tokens.markRefused();
      this.#options.onMessage(message);
    };
    // an error is always followed by close
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

  /** Exponential, with jitter, so that a room does not come back in one instant. */
  #backoffMs(): number {
    const known = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    const limit = this.#replayUnknown ? UNKNOWN_REPLAY_BACKOFF_MS : known;
    return limit * (0.5 + 0.5 * this.#random());
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

// The join token: from `/config.json`, short-lived, asked for again before it is too old.

export interface JoinToken {
  text: string;
  lifetimeMs: number;
}

export interface JoinTokensOptions {
  /** the token that this page began with, handed out just now */
  first: JoinToken;
  /** asks the site for another; rejects when that fails or `signal` is aborted */
  renew: (signal: AbortSignal) => Promise<JoinToken>;
  /** milliseconds, monotonic */
  now: () => number;
}

/** Waiting longer would keep a viewer out whose old token may still do. */
const RENEW_TIMEOUT_MS = 5_000;
/** Of a lifetime, the part after which a token is not presented before asking for another. */
const FRESH_FRACTION = 0.5;

export class JoinTokens {
  #options: JoinTokensOptions;
  #token: JoinToken;
  #issuedAt: number;
  #refused = false;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
    this.#token = options.first;
    this.#issuedAt = options.now();
  }

  /** The token to join with, or null when it is to be renewed first. */
  get current(): string | null {
    const ageMs = this.#options.now() - this.#issuedAt;
    const old = ageMs > this.#token.lifetimeMs * FRESH_FRACTION;
    return old || this.#refused ? null : this.#token.text;
  }

  /** Signaling did not take the token. */
  markRefused(): void {
    this.#refused = true;
  }

  /** Ask for another token; where the site gives none, the old one may still do. */
  async renew(): Promise<string> {
    try {
      this.#token = await this.#options.renew(AbortSignal.timeout(RENEW_TIMEOUT_MS));
      this.#issuedAt = this.#options.now();
      this.#refused = false;
    } catch {
      // tried again before the next join
    }
    return this.#token.text;
  }
}
