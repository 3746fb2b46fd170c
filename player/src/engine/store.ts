/** The object store over HTTP: ranges of segments, delivered piece by piece as they arrive. */

import { SourceHealth } from "./source-health";
import type { PieceRange } from "../protocol/plan";
import type { Descriptor } from "../protocol/messages";

const MAX_ATTEMPTS = 3;
const FIRST_BACKOFF_MS = 250;
/** A response that brings nothing for this long is aborted. */
const IDLE_TIMEOUT_MS = 5_000;
/** A request counts as quiet after this many times the usual latency. */
const QUIET_LATENCIES = 4;
const MIN_QUIET_MS = 1_000;
/** Assumed until the first response is measured. */
const INITIAL_LATENCY_S = 0.2;
const INITIAL_BYTES_PER_S = 500_000;
/** Weight of the newest measurement in the moving averages. */
const NEWEST_WEIGHT = 0.3;
/** Smaller responses say little about the speed. */
const MIN_SPEED_SAMPLE_BYTES = 64 * 1024;

/** The store answered with an error status. */
export class StoreError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Bytes from `first` (inclusive) to `end` (exclusive). */
export interface ByteRange {
  first: number;
  end: number;
}

export interface StoreClientOptions {
  fetch: typeof fetch;
  /** milliseconds, monotonic */
  now?: () => number;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

/** How to make one request. */
export interface StoreRequest {
  signal: AbortSignal;
  /** called with the number of bytes as they arrive, needed or not */
  onBytes: (count: number) => void;
  /** bypass the browser's cache, which might hold a bad response */
  reload?: boolean;
  /** attempts while the store fails; 3 by default */
  attempts?: number;
}

export class StoreClient {
  /** whether the store works, judging by its responses to this viewer */
  readonly health: SourceHealth;
  #fetch: typeof fetch;
  #now: () => number;
  #random: () => number;
  #latencyS = INITIAL_LATENCY_S;
  #bytesPerS = INITIAL_BYTES_PER_S;

  constructor({ fetch, now = () => performance.now(), random = Math.random }: StoreClientOptions) {
    this.#fetch = fetch;
    this.#now = now;
    this.#random = random;
    this.health = new SourceHealth(now, random);
  }

  /** A request that has brought nothing for this long is quiet: do not count on it. */
  get quietAfterMs(): number {
    const usualMs = this.#latencyS * 1000;
    return Math.min(IDLE_TIMEOUT_MS, Math.max(MIN_QUIET_MS, QUIET_LATENCIES * usualMs));
  }

  /** Estimated seconds until the store has delivered this many bytes. */
  estimateS(bytes: number): number {
    return this.#latencyS + bytes / this.#bytesPerS;
  }

  /**
   * Fetch pieces of a segment and deliver each when its last byte arrives. An interrupted response
   * is resumed after the last complete piece. If the store ignores Range, the pieces before the
   * requested ones are delivered as well.
   *
   * @throws StoreError, or the network's error after the last attempt
   */
  async readPieces(
    { url, size, pieceSize }: Descriptor,
    range: PieceRange,
    onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void,
    request: StoreRequest,
  ): Promise<void> {
    let next = range.first;
    const end = Math.min(size, range.end * pieceSize);
    await this.#retry(request, async () => {
      const byteRange = { first: next * pieceSize, end };
      const isWholeSegment = byteRange.first === 0 && end === size;
      const body = this.#stream(url, isWholeSegment ? null : byteRange, request);
      let piece = new Uint8Array(0);
      let filled = 0;
      let index = -1;
      for await (const { offset, bytes } of body) {
        let taken = 0;
        while (taken < bytes.byteLength && offset + taken < end) {
          if (index < 0) {
            // the body begins within a piece: skip to the next one
            const before = (offset + taken) % pieceSize;
            if (before > 0) {
              taken += pieceSize - before;
              continue;
            }
            index = (offset + taken) / pieceSize;
            piece = new Uint8Array(Math.min(pieceSize, size - index * pieceSize));
            filled = 0;
          }
          const chunk = bytes.subarray(taken, taken + piece.byteLength - filled);
          piece.set(chunk, filled);
          filled += chunk.byteLength;
          taken += chunk.byteLength;
          if (filled < piece.byteLength) continue;
          onPiece(index, piece);
          if (index === next) next += 1;
          index = -1;
        }
        // a store that ignores Range would continue to the end of the segment
        if (offset + bytes.byteLength > end) break;
      }
      if (next >= range.end) return;
      throw new Error(`${url}: the response ended at piece ${next} of ${range.end}`);
    });
  }

  /**
   * Fetch a complete resource, or a range of it.
   *
   * @throws StoreError, or the network's error after the last attempt
   */
  async read(url: string, range: ByteRange | null, request: StoreRequest): Promise<ArrayBuffer> {
    return this.#retry(request, async () => {
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      for await (const { offset, bytes } of this.#stream(url, range, request)) {
        const from = Math.max(0, (range?.first ?? 0) - offset);
        chunks.push(bytes.subarray(from, Math.max(from, (range?.end ?? Infinity) - offset)));
      }
      const data = await new Blob(chunks).arrayBuffer();
      if (range && data.byteLength !== range.end - range.first)
        throw new Error(
          `${url}: got ${data.byteLength} bytes instead of ${range.end - range.first}`,
        );
      return data;
    });
  }

  /** Make one request; yields the bytes of the body with their offset in the resource. */
  async *#stream(
    url: string,
    range: ByteRange | null,
    { signal, onBytes, reload = false }: StoreRequest,
  ): AsyncGenerator<{ offset: number; bytes: Uint8Array<ArrayBuffer> }> {
    const attempt = new AbortController();
    const giveUp = (): void => {
      attempt.abort(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", giveUp);
    let timeout: ReturnType<typeof setTimeout> | undefined;
    const restartTimeout = (): void => {
      clearTimeout(timeout);
      timeout = setTimeout(() => {
        attempt.abort(new Error(`${url}: no data from the store for ${IDLE_TIMEOUT_MS} ms`));
      }, IDLE_TIMEOUT_MS);
    };
    let startedAt = 0;
    let received = 0;
    try {
      restartTimeout();
      const requestedAt = this.#now();
      const response = await this.#fetch(url, {
        signal: attempt.signal,
        cache: reload ? "reload" : "default",
        credentials: "omit",
        headers: range ? { Range: `bytes=${range.first}-${range.end - 1}` } : {},
      });
      if (!response.ok || !response.body) throw storeError(url, response);
      let offset = response.status === 206 ? bodyOffset(response, range) : 0;
      startedAt = this.#now();
      this.#latencyS = average(this.#latencyS, (startedAt - requestedAt) / 1000);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        restartTimeout();
        onBytes(value.byteLength);
        received += value.byteLength;
        yield { offset, bytes: value };
        offset += value.byteLength;
      }
    } finally {
      this.#measure(received, startedAt);
      clearTimeout(timeout);
      signal.removeEventListener("abort", giveUp);
      // also stops a body that the reader did not read to the end
      attempt.abort();
    }
  }

  #measure(received: number, startedAt: number): void {
    const durationS = (this.#now() - startedAt) / 1000;
    if (received >= MIN_SPEED_SAMPLE_BYTES && durationS > 0)
      this.#bytesPerS = average(this.#bytesPerS, received / durationS);
  }

  async #retry<T>(
    { signal, attempts = MAX_ATTEMPTS }: StoreRequest,
    attempt: () => Promise<T>,
  ): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        const result = await attempt();
        this.health.succeeded();
        return result;
      } catch (error) {
        if (signal.aborted) throw error;
        this.health.failed();
        const permanent = error instanceof StoreError && !isTemporary(error.status);
        if (permanent || failures >= attempts) throw error;
        const backoff = FIRST_BACKOFF_MS * 2 ** (failures - 1) * (0.5 + this.#random());
        await new Promise((resolve) => setTimeout(resolve, backoff));
      }
    }
  }
}

function storeError(url: string, response: Response): StoreError {
  return new StoreError(response.status, `${url}: the store answered HTTP ${response.status}`);
}

/** Whether a retry may get a different status. */
export function isTemporary(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

/** Offset of a 206 body: from Content-Range, or as requested if CORS hides that header. */
function bodyOffset(response: Response, requested: ByteRange | null): number {
  const stated = /^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "")?.[1];
  return stated === undefined ? (requested?.first ?? 0) : Number(stated);
}

function average(previous: number, sample: number): number {
  return previous + NEWEST_WEIGHT * (sample - previous);
}
