/** hls.js's fragment loader (`fLoader`), backed by the engine. */

import type {
  FragmentLoaderConstructor,
  FragmentLoaderContext,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
} from "hls.js";
import type { Engine } from "../engine/engine";
import { StoreError } from "../engine/store";

type FragmentSource = Pick<Engine, "fragment" | "resource">;

/** Returns the loader class; hls.js makes one instance per fragment. */
export function fragmentLoader(
  engine: FragmentSource,
  now: () => number = () => performance.now(),
): FragmentLoaderConstructor {
  return class implements Loader<FragmentLoaderContext> {
    context: FragmentLoaderContext | null = null;
    stats: LoaderStats = emptyStats();
    #abort = new AbortController();
    #callbacks: LoaderCallbacks<FragmentLoaderContext> | null = null;
    #timeout: ReturnType<typeof setTimeout> | undefined;

    load(
      context: FragmentLoaderContext,
      { loadPolicy }: LoaderConfiguration,
      callbacks: LoaderCallbacks<FragmentLoaderContext>,
    ): void {
      this.context = context;
      this.#callbacks = callbacks;
      this.stats.loading.start = now();
      this.#timeout = setTimeout(() => {
        this.#settle()?.onTimeout(this.stats, context, null);
      }, loadPolicy.maxLoadTimeMs);
      void this.#run(context);
    }

    /** Stops waiting. Downloads continue: peers rely on the pieces, and hls.js may ask again. */
    abort(): void {
      const { context } = this;
      const callbacks = this.#settle();
      if (!callbacks || !context) return;
      this.stats.aborted = true;
      callbacks.onAbort?.(this.stats, context, null);
    }

    destroy(): void {
      this.#settle();
      this.context = null;
    }

    async #run(context: FragmentLoaderContext): Promise<void> {
      try {
        const { data, transferMs } = await this.#fetch(context);
        this.#setTiming(data.byteLength, transferMs);
        this.#settle()?.onSuccess({ url: context.url, data, code: 200 }, this.stats, context, null);
      } catch (error) {
        const code = error instanceof StoreError ? error.status : 0;
        const text = error instanceof Error ? error.message : String(error);
        this.#settle()?.onError({ code, text }, context, null, this.stats);
      }
    }

    async #fetch(context: FragmentLoaderContext) {
      const { url, frag, rangeStart, rangeEnd } = context;
      const { signal } = this.#abort;
      const range = rangeEnd ? { first: rangeStart ?? 0, end: rangeEnd } : null;
      if (frag.sn !== "initSegment" && !range) return engine.fragment(url, frag.sn, signal);
      const sequence = frag.sn === "initSegment" ? null : frag.sn;
      const data = await engine.resource(url, range, signal, sequence);
      return { data, transferMs: now() - this.stats.loading.start };
    }

    /**
     * hls.js estimates the bandwidth from these times, so they give the time spent on the network,
     * as if it had ended now: waiting for peers is not slow, and a cache hit is not fast.
     */
    #setTiming(bytes: number, transferMs: number): void {
      const { stats } = this;
      const end = now();
      stats.loading = { start: end - transferMs, first: end - transferMs, end };
      stats.loaded = stats.total = bytes;
      stats.chunkCount = 1;
    }

    /** Ends this loader; returns the callbacks, or null if it had already ended. */
    #settle(): LoaderCallbacks<FragmentLoaderContext> | null {
      const callbacks = this.#callbacks;
      this.#callbacks = null;
      clearTimeout(this.#timeout);
      this.#abort.abort();
      return callbacks;
    }
  };
}

function emptyStats(): LoaderStats {
  return {
    aborted: false,
    loaded: 0,
    retry: 0,
    total: 0,
    chunkCount: 0,
    bwEstimate: 0,
    loading: { start: 0, first: 0, end: 0 },
    parsing: { start: 0, end: 0 },
    buffering: { start: 0, first: 0, end: 0 },
  };
}
