import { expect, it, vi } from "vitest";
import { ReplayHashes } from "../../../src/pages/replay/hashes";

const HASHES = new URL("https://media.test/vod/abc-0/segments.json");
const SEGMENT = "https://media.test/vod/abc-0/1/stream-abc-7.ts";
const DATA = new TextEncoder().encode("segment").buffer;

async function sha256(data: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function answering() {
  const list = { segments: [{ name: "stream-abc-7.ts", sha256: await sha256(DATA) }] };
  return vi.fn<typeof fetch>(() => Promise.resolve(Response.json(list)));
}

it("bytes are what was published, or they are false", async () => {
  const fetching = await answering();
  const hashes = new ReplayHashes(HASHES, fetching, crypto.subtle);
  expect(await hashes.check(SEGMENT, DATA)).toBe("genuine");
  expect(await hashes.check(SEGMENT, new ArrayBuffer(7))).toBe("false");
  expect(await hashes.check(SEGMENT, new ArrayBuffer(0))).toBe("false");
  expect(await hashes.check("https://media.test/vod/abc-0/1/other.ts", DATA)).toBe("unknown");
  expect(await hashes.check("https://media.test/other.ts", DATA)).toBe("unknown");
  // one list for a rendition, however many ask
  expect(fetching).toHaveBeenCalledTimes(1);
  expect(fetching.mock.lastCall?.[0]).toEqual(
    new URL("https://media.test/vod/abc-0/1/segments.json"),
  );
});

it("without a list nothing is known, and it is asked for again after a while", async () => {
  let nowMs = 0;
  const fetching = await answering();
  fetching.mockImplementationOnce(() => Promise.resolve(new Response("", { status: 503 })));
  const hashes = new ReplayHashes(HASHES, fetching, crypto.subtle, () => nowMs);
  expect(await hashes.check(SEGMENT, DATA)).toBe("unknown");
  nowMs = 4_000;
  expect(await hashes.check(SEGMENT, DATA)).toBe("unknown");
  expect(fetching).toHaveBeenCalledTimes(1);
  nowMs = 6_000;
  expect(await hashes.check(SEGMENT, DATA)).toBe("genuine");
});

it("what is no list makes nothing genuine", async () => {
  const nonsense = vi.fn<typeof fetch>(() => Promise.resolve(Response.json({ segments: 3 })));
  const hashes = new ReplayHashes(HASHES, nonsense, crypto.subtle);
  expect(await hashes.check(SEGMENT, DATA)).toBe("unknown");
});
