/** Brings pieces from the store into segments: never one twice at a time, verified. */

import { rangesOf } from "./pieces";
import type { PieceRange } from "./plan";
import type { Segment } from "./segments";
import type { Store } from "./store";

export interface FetcherOptions {
  store: Store;
  /** whether the piece has its hash, as far as this browser can tell */
  verified: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>;
  /** keep a piece that was claimed and verified */
  keep: (segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** told of bytes as they arrive, wanted or not */
  received: (segment: Segment, count: number) => void;
}

export class Fetcher {
  #o: FetcherOptions;
  #stop = new AbortController();

  constructor(options: FetcherOptions) {
    this.#o = options;
  }

  /** Request the pieces of a range that are neither here nor under way; waiters hear of failure. */
  fetch(segment: Segment, { first, end }: PieceRange): void {
    const open = segment.pieces
      .missing()
      .filter((index) => first <= index && index < end && !segment.inFlight.has(index));
    for (const range of rangesOf(open)) void this.#fetch(segment, range);
  }

  close(): void {
    this.#stop.abort();
  }

  async #fetch(segment: Segment, range: PieceRange): Promise<void> {
    const indices = Array.from({ length: range.end - range.first }, (_, k) => range.first + k);
    for (const index of indices) segment.inFlight.add(index);
    try {
      const bad = await this.#request(segment, range, false);
      for (const again of rangesOf(bad)) {
        const stillBad = await this.#request(segment, again, true);
        if (stillBad.length > 0)
          throw new Error(`${segment.descriptor.url}: the store's bytes have a wrong hash`);
      }
    } catch (error) {
      segment.fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      for (const index of indices) segment.inFlight.delete(index);
    }
  }

  /** One request to the store; returns the pieces whose hash was wrong, ascending. */
  async #request(segment: Segment, range: PieceRange, reload: boolean): Promise<number[]> {
    const { descriptor, pieces } = segment;
    const bad: number[] = [];
    const check = async (index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
      if (!pieces.claim(index)) return;
      if (await this.#o.verified(segment, index, bytes)) {
        this.#o.keep(segment, index, bytes);
      } else {
        pieces.release(index);
        bad.push(index);
      }
    };
    const checks: Promise<void>[] = [];
    await this.#o.store.readPieces(
      descriptor,
      range,
      (index, bytes) => checks.push(check(index, bytes)),
      {
        signal: this.#stop.signal,
        reload,
        onBytes: (count) => {
          this.#o.received(segment, count);
        },
      },
    );
    await Promise.all(checks);
    return bad.sort((a, b) => a - b);
  }
}
