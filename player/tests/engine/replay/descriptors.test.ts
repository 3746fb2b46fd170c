import { expect, it, vi } from "vitest";
import { ReplayDescriptors } from "../../../src/engine/replay/descriptors";

const HASHES = new URL("https://media.test/vod/abc-0/segments.json");
const SEGMENT = "https://media.test/vod/abc-0/1/stream-abc-7.ts";
const LINE = {
  ...{ name: "stream-abc-7.ts", sequence: 7, size: 3_000_000, duration: 4 },
  sha256: "00ff".repeat(16),
};

const answering = (list: unknown) =>
  vi.fn<typeof fetch>(() => Promise.resolve(Response.json(list)));

it("segments are described by the list of their variant, which is requested once", async () => {
  const fetching = answering({ segments: [LINE] });
  const descriptors = new ReplayDescriptors(HASHES, fetching, () => 0);
  const found = await descriptors.find(SEGMENT);
  expect(found).toMatchObject({ variant: 1, sequence: 7, size: 3_000_000, url: SEGMENT });
  // the smallest power of two with at most 32 pieces
  expect(found?.pieceSize).toBe(128 * 1024);
  expect(atob(found?.sha256 ?? "")).toBe("\x00\xff".repeat(16));
  expect(await descriptors.find("https://media.test/vod/abc-0/1/other.ts")).toBeUndefined();
  expect(await descriptors.find("https://media.test/other.ts")).toBeUndefined();
  expect(fetching).toHaveBeenCalledTimes(1);
  expect(fetching.mock.lastCall?.[0]).toEqual(
    new URL("https://media.test/vod/abc-0/1/segments.json"),
  );
});

it("without a list nothing is described, and it is requested again after a while", async () => {
  let nowMs = 0;
  const fetching = answering({ segments: [LINE] });
  fetching.mockImplementationOnce(() => Promise.resolve(new Response("", { status: 503 })));
  const descriptors = new ReplayDescriptors(HASHES, fetching, () => nowMs);
  expect(await descriptors.find(SEGMENT)).toBeUndefined();
  nowMs = 4_000;
  expect(await descriptors.find(SEGMENT)).toBeUndefined();
  expect(fetching).toHaveBeenCalledTimes(1);
  nowMs = 6_000;
  expect(await descriptors.find(SEGMENT)).toBeDefined();
});

it.each([
  ["no list", { segments: 3 }],
  ["a line without a size", { segments: [{ ...LINE, size: undefined }] }],
  ["a line of no bytes", { segments: [{ ...LINE, size: 0 }] }],
  ["a hash that is none", { segments: [{ ...LINE, sha256: "abc" }] }],
])("a list that is %s describes nothing", async (_, list) => {
  const descriptors = new ReplayDescriptors(HASHES, answering(list), () => 0);
  expect(await descriptors.find(SEGMENT)).toBeUndefined();
});
