import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StoreRequest } from "../../src/engine/store";
import { StoreClient, StoreError } from "../../src/engine/store";
import type { StoreDouble } from "../support";
import { PIECE_BYTES, content, descriptor, storeOf } from "../support";

const SEGMENT = descriptor(1);
const BYTES = content(SEGMENT.size);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function readPieces(double: StoreDouble, first: number, end: number, signal?: AbortSignal) {
  const pieces = new Map<number, Uint8Array>();
  let received = 0;
  const request: StoreRequest = {
    signal: signal ?? new AbortController().signal,
    onBytes: (count) => (received += count),
  };
  const reading = new StoreClient({ fetch: double.fetch, random: () => 0 })
    .readPieces(SEGMENT, { first, end }, (index, bytes) => pieces.set(index, bytes), request)
    .then(
      () => null,
      (error: unknown) => error,
    );
  await vi.runAllTimersAsync();
  return { error: await reading, pieces, received };
}
const piece = (index: number) => BYTES.slice(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);

describe("pieces from the store", () => {
  it("come in one range request", async () => {
    const store = storeOf(BYTES);
    const { pieces, received } = await readPieces(store, 1, 3);
    expect(store.ranges).toEqual([`bytes=${PIECE_BYTES}-${3 * PIECE_BYTES - 1}`]);
    expect([...pieces]).toEqual([
      [1, piece(1)],
      [2, piece(2)],
    ]);
    expect(received).toBe(2 * PIECE_BYTES);
  });

  it("come without a range if all are requested, including the short last one", async () => {
    const store = storeOf(BYTES);
    const { pieces } = await readPieces(store, 0, 4);
    expect(store.ranges).toEqual([""]);
    expect(pieces.get(3)).toEqual(piece(3));
  });

  it("are found in the 200 response of a store that ignores Range", async () => {
    const { error, pieces, received } = await readPieces(
      storeOf(BYTES, () => new Response(BYTES)),
      1,
      2,
    );
    expect(error).toBeNull();
    expect(pieces.get(1)).toEqual(piece(1));
    expect(pieces.get(0)).toEqual(piece(0));
    expect(received).toBeGreaterThanOrEqual(2 * PIECE_BYTES);
  });

  it("are placed where Content-Range says", async () => {
    const shifted = () =>
      new Response(BYTES.slice(100), {
        status: 206,
        headers: { "Content-Range": `bytes 100-${BYTES.byteLength - 1}/${BYTES.byteLength}` },
      });
    const { pieces } = await readPieces(storeOf(BYTES, shifted), 1, 3);
    expect(pieces.get(1)).toEqual(piece(1));
  });

  it("are resumed after the last complete piece of an interrupted response", async () => {
    const short = () => new Response(BYTES.slice(0, PIECE_BYTES + 5));
    const store = storeOf(BYTES, (nth, right) => (nth === 1 ? short() : right));
    const { error, pieces } = await readPieces(store, 0, 4);
    expect(error).toBeNull();
    expect(store.ranges).toEqual(["", `bytes=${PIECE_BYTES}-${BYTES.byteLength - 1}`]);
    expect(pieces.size).toBe(4);
  });

  it("are requested three times while the store fails", async () => {
    const store = storeOf(BYTES, () => new Response("", { status: 503 }));
    const { error } = await readPieces(store, 0, 4);
    expect(error).toMatchObject({ status: 503 });
    expect(store.ranges).toHaveLength(3);
  });

  it("are not requested again if the store does not have them", async () => {
    const store = storeOf(BYTES, () => new Response("", { status: 404 }));
    const { error } = await readPieces(store, 0, 4);
    expect(error).toBeInstanceOf(StoreError);
    expect(store.ranges).toHaveLength(1);
  });

  it("are aborted when nothing more arrives, and requested again", async () => {
    const fetch = vi.fn<typeof globalThis.fetch>(
      (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => {
            reject(init.signal?.reason as Error);
          });
        }),
    );
    const { error } = await readPieces({ fetch, ranges: [] }, 0, 4);
    expect(String(error)).toContain("no data from the store for 5000 ms");
    expect(fetch).toHaveBeenCalledTimes(3);
  });

  it("are not requested once aborted", async () => {
    const store = storeOf(BYTES);
    const { error } = await readPieces(store, 0, 4, AbortSignal.abort());
    expect(error).toBeInstanceOf(DOMException);
    expect(store.ranges).toEqual([]);
  });
});

describe("complete resources", () => {
  const request = { signal: new AbortController().signal, onBytes: () => undefined };
  it("and byte ranges are read, also if the store ignores Range", async () => {
    const range = { first: 10, end: 300 };
    for (const double of [storeOf(BYTES), storeOf(BYTES, () => new Response(BYTES))]) {
      const store = new StoreClient({ fetch: double.fetch });
      expect(new Uint8Array(await store.read("https://m.test/x", null, request))).toEqual(BYTES);
      const part = await store.read("https://m.test/x", range, request);
      expect(new Uint8Array(part)).toEqual(BYTES.slice(10, 300));
    }
  });
});

it("the estimate follows the measurements", async () => {
  let clock = 0;
  const slow = storeOf(content(100_000));
  const store = new StoreClient({ fetch: slow.fetch, now: () => (clock += 1_000) });
  const before = store.estimateS(100_000);
  await store.read("https://m.test/x", null, {
    signal: new AbortController().signal,
    onBytes: () => undefined,
  });
  expect(store.estimateS(100_000)).toBeGreaterThan(before);
});
