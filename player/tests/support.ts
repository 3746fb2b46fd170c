/** Shared by several tests: descriptors of real bytes, a store, a clock. */

import type { Network } from "../src/engine/engine";
import type { Descriptor } from "../src/protocol/messages";
import { verifier } from "../src/engine/verify";

export const verify = verifier(crypto.subtle);

/** The state of the network in a new engine. */
export const UNKNOWN_NETWORK: Network = {
  bps: null,
  lateAt: -Infinity,
  missing: { all: 0, expected: 0 },
  completionMs: null,
};

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return btoa(String.fromCharCode(...digest));
}

/** Bytes that differ by position and by segment. */
export function content(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7 + seed * 13) & 0xff);
}

export const PIECE_BYTES = 16 * 1024;

/** A descriptor without bytes; its hashes are empty. */
export function descriptor(sequence: number, size = 3 * PIECE_BYTES + 100): Descriptor {
  return {
    variant: 0,
    sequence,
    url: `https://media.test/live/0/stream-a-${sequence}.ts`,
    size,
    duration: 5,
    pieceSize: PIECE_BYTES,
    pieceHashes: Array.from({ length: Math.ceil(size / PIECE_BYTES) }, () => ""),
    infohash: null,
    stored: true,
  };
}

/** A segment with bytes and matching hashes. */
export async function published(
  sequence: number,
  size?: number,
): Promise<{ descriptor: Descriptor; bytes: Uint8Array<ArrayBuffer> }> {
  const plain = descriptor(sequence, size);
  const bytes = content(plain.size, sequence);
  const pieceHashes = await Promise.all(
    plain.pieceHashes.map((_, i) =>
      sha256(bytes.slice(i * plain.pieceSize, (i + 1) * plain.pieceSize)),
    ),
  );
  return { descriptor: { ...plain, pieceHashes }, bytes };
}

export interface StoreDouble {
  fetch: typeof fetch;
  /** Range headers in order; "" for requests without one */
  ranges: string[];
}

/**
 * A `fetch` that answers like an object store; `answer` may replace the response to the nth
 * request.
 */
export function storeOf(
  stored: Uint8Array<ArrayBuffer> | (() => Uint8Array<ArrayBuffer>),
  answer: (nth: number, right: Response) => Response | Promise<Response> = (_, right) => right,
): StoreDouble {
  const ranges: string[] = [];
  const fetch = async (_: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const range = new Headers(init?.headers).get("Range") ?? "";
    ranges.push(range);
    const bytes = typeof stored === "function" ? stored() : stored;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    const right =
      first === undefined || last === undefined
        ? new Response(bytes)
        : new Response(bytes.slice(Number(first), Number(last) + 1), {
            status: 206,
            headers: { "Content-Range": `bytes ${first}-${last}/${bytes.byteLength}` },
          });
    return answer(ranges.length, right);
  };
  return { fetch, ranges };
}
