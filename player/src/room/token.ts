/** The join token: from `/config.json`, short-lived, asked for again before it is too old. */

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
const FRESH_PART = 0.5;

export class JoinTokens {
  #options: JoinTokensOptions;
  #token: JoinToken;
  #since: number;
  #refused = false;

  constructor(options: JoinTokensOptions) {
    this.#options = options;
    this.#token = options.first;
    this.#since = options.now();
  }

  /** The token to join with, or null when it is to be renewed first. */
  get fresh(): string | null {
    const ageMs = this.#options.now() - this.#since;
    const old = ageMs > this.#token.lifetimeMs * FRESH_PART;
    return old || this.#refused ? null : this.#token.text;
  }

  /** Signaling did not take the token. */
  refused(): void {
    this.#refused = true;
  }

  /** Ask for another token; where the site gives none, the old one may still do. */
  async renewed(): Promise<string> {
    try {
      this.#token = await this.#options.renew(AbortSignal.timeout(RENEW_TIMEOUT_MS));
      this.#since = this.#options.now();
      this.#refused = false;
    } catch {
      // tried again before the next join
    }
    return this.#token.text;
  }
}
