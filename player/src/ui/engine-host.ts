/** Hands the player's requests to the engine that is in charge, and again to the one after it. */

import type { Engine } from "../engine/engine";

type FragmentSource = Pick<Engine, "fragment" | "resource">;

export class Switch implements FragmentSource {
  #source: FragmentSource | null = null;
  #replaced = new AbortController();

  /** Another engine takes over; what the one before has not delivered is asked of this one. */
  to(source: FragmentSource): void {
    const before = this.#replaced;
    this.#source = source;
    this.#replaced = new AbortController();
    before.abort();
  }

  fragment(...[url, sequence, signal]: Parameters<Engine["fragment"]>) {
    return this.#ask(signal, (source, until) => source.fragment(url, sequence, until));
  }

  resource(...[url, range, signal, sequence]: Parameters<Engine["resource"]>) {
    return this.#ask(signal, (source, until) => source.resource(url, range, until, sequence));
  }

  async #ask<T>(
    signal: AbortSignal,
    ask: (source: FragmentSource, until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const source = this.#source;
      const replaced = this.#replaced.signal;
      if (!source) throw new Error("nobody to ask for segments yet");
      const until = new AbortController();
      const stop = (): void => {
        until.abort(signal.reason);
      };
      signal.addEventListener("abort", stop);
      replaced.addEventListener("abort", stop);
      try {
        return await ask(source, until.signal);
      } catch (error) {
        if (signal.aborted || !replaced.aborted) throw error;
      } finally {
        signal.removeEventListener("abort", stop);
        replaced.removeEventListener("abort", stop);
      }
    }
  }
}
