import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SegmentHashes } from "../../../src/pages/p2pml/validator";
import { content } from "../../support";

const LIST = new URL("https://tv.test/live/segments.json");
const DATA = content(5_000);
const OTHER = content(5_000, 2);

const url = (sequence: number) => `https://media.test/live/1/stream-a-${sequence}.ts`;

/** A broadcaster that published these segments, all with the same bytes. */
let published: number[];
let asked: string[];
let hashes: SegmentHashes;

beforeEach(async () => {
  vi.useFakeTimers();
  published = [4, 5];
  asked = [];
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", DATA));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const fetch = (list: string | URL | Request) => {
    const wanted = new URL(list as URL);
    asked.push(wanted.pathname + wanted.search);
    const after = Number(wanted.searchParams.get("after") ?? -1);
    const segments = published
      .filter((sequence) => sequence > after)
      .map((sequence) => ({ url: url(sequence), sequence, sha256 }));
    return Promise.resolve(Response.json({ stream: "a", variants: { "1": { segments } } }));
  };
  hashes = new SegmentHashes({ segments: LIST, fetch, subtle: crypto.subtle });
});
afterEach(() => {
  vi.useRealTimers();
});

it("published bytes are genuine, others are not", async () => {
  expect(await hashes.check(url(4), DATA.buffer)).toBe("genuine");
  expect(await hashes.check(url(5), OTHER.buffer)).toBe("false");
  expect(await hashes.check(url(5), DATA.slice(1).buffer)).toBe("false");
  expect(asked).toEqual(["/live/1/segments.json"]);
});

it("rejects an empty buffer without a request", async () => {
  expect(await hashes.check(url(4), new ArrayBuffer(0))).toBe("false");
  expect(asked).toEqual([]);
});

it("requests only new hashes", async () => {
  await hashes.check(url(4), DATA.buffer);
  published.push(6);
  expect(await hashes.check(url(6), DATA.buffer)).toBe("genuine");
  expect(asked).toEqual(["/live/1/segments.json", "/live/1/segments.json?after=5"]);
});

it("requests the list again if an edge served an old one", async () => {
  const verdict = hashes.check(url(6), DATA.buffer);
  await vi.advanceTimersByTimeAsync(0);
  published.push(6);
  await vi.runAllTimersAsync();
  expect(await verdict).toBe("genuine");
  expect(asked).toHaveLength(2);
});

it("gives up on an unpublished segment after three lookups", async () => {
  const verdict = hashes.check(url(9), DATA.buffer);
  await vi.runAllTimersAsync();
  expect(await verdict).toBe("unknown");
  expect(asked).toHaveLength(3);
  expect(await hashes.check("https://media.test/other.ts", DATA.buffer)).toBe("unknown");
  expect(asked).toHaveLength(3);
});

it.each([
  ["no answer", () => Promise.reject(new TypeError("offline"))],
  ["an error", () => Promise.resolve(new Response("no", { status: 503 }))],
  ["no list", () => Promise.resolve(Response.json([1]))],
])("with %s, everything is unknown at once", async (_, fetch) => {
  const without = new SegmentHashes({ segments: LIST, fetch, subtle: crypto.subtle });
  expect(await without.check(url(4), DATA.buffer)).toBe("unknown");
});
