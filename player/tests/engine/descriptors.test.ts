import { describe, expect, it, vi } from "vitest";
import { Descriptors, variantOf } from "../../src/engine/descriptors";
import { descriptor } from "../support";

const LIST = new URL("https://tv.test/live/segments.json");

function server(...sequences: number[]) {
  const segments = sequences.map((sequence) => {
    const { pieceSize, pieceHashes, ...rest } = descriptor(sequence);
    return { ...rest, piece_size: pieceSize, pieces: pieceHashes };
  });
  return vi.fn<typeof fetch>(() =>
    Promise.resolve(Response.json({ stream: "a", variants: { "0": { segments } } })),
  );
}

describe("descriptors", () => {
  it("from signaling need no request", async () => {
    const fetch = server();
    const descriptors = new Descriptors(LIST, fetch);
    descriptors.add(descriptor(7));
    expect(await descriptors.find(descriptor(7).url, 0, 7)).toEqual(descriptor(7));
    expect(fetch).not.toHaveBeenCalled();
  });

  it("that are unknown are requested once, from the sequence before", async () => {
    const fetch = server(7, 8);
    const descriptors = new Descriptors(LIST, fetch);
    const both = [7, 7].map((sequence) => descriptors.find(descriptor(7).url, 0, sequence));
    expect(await Promise.all(both)).toEqual([descriptor(7), descriptor(7)]);
    expect(fetch.mock.calls.map(([url]) => String(url as URL))).toEqual([
      "https://tv.test/live/0/segments.json?after=6",
    ]);
    expect(descriptors.byUrl(descriptor(8).url)).toEqual(descriptor(8));
  });

  it("are not needed if the list is unavailable", async () => {
    for (const fetch of [
      () => Promise.reject(new TypeError("offline")),
      () => Promise.resolve(new Response("no", { status: 503 })),
      () => Promise.resolve(new Response("<html>")),
    ])
      expect(await new Descriptors(LIST, fetch).find(descriptor(7).url, 0, 7)).toBeUndefined();
  });

  it("are bounded in number, oldest first", () => {
    const descriptors = new Descriptors(LIST, server());
    for (let sequence = 0; sequence < 500; sequence += 1) descriptors.add(descriptor(sequence));
    expect(descriptors.byUrl(descriptor(499).url)).toBeDefined();
    expect(descriptors.byUrl(descriptor(300).url)).toBeUndefined();
  });
});

it("a segment's URL names its variant", () => {
  expect(variantOf("http://127.0.0.1:9000/bucket/live/1/stream-a-7.ts?x=1")).toBe(1);
  expect(variantOf("https://media.test/elsewhere/7.ts")).toBeNull();
});
