import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeInterest, encodeHave, encodeRequest } from "../../src/protocol/frames";
import { published } from "../support";
import { SIZE, SLICES, reset, exchange, never, pass, t, until } from "./exchange-harness";

beforeEach(reset);
afterEach(() => {
  vi.useRealTimers();
});

describe("a paused member", () => {
  it("is pushed nothing until it is interested again", async () => {
    const { it } = exchange();
    t.members = ["peer", "other"];
    it.announced(t.segment, SLICES, true);
    it.frame("peer", encodeInterest("pause", 0, t.segment.sequence).buffer);
    await until(() => {
      expect(t.pushed).toHaveLength(2);
    });
    expect(t.pushed.map(([id]) => id)).toEqual(["other", "other"]);
    it.frame("peer", encodeInterest("want", 0, t.segment.sequence).buffer);
    it.frame("peer", encodeRequest(0, t.segment.sequence, 0).buffer);
    expect(t.pushedToPeer).toEqual([0]);
  });

  it("does not count as lacking a slice", async () => {
    const { it, stats } = exchange();
    t.members = ["peer", "other", "third"];
    const [own, peers] = SLICES;
    it.announced(t.segment, own && peers ? [own, { ...peers, successors: ["me"] }] : [], true);
    for (const id of ["peer", "other"])
      it.frame(id, encodeInterest("pause", 0, t.segment.sequence).buffer);
    it.frame("third", encodeHave(0, t.segment.sequence, 0b1100).buffer);
    await pass(1_200);
    expect(stats.segments.stepped_in).toBe(0);
    expect(stats.segments.requested).toBe(2);
  });
});

describe("a paused viewer", () => {
  const types = () =>
    t.frames.filter(([, frame]) => (frame[0] ?? 0) > 3).map(([id, f]) => [id, f[0]]);

  it("tells members and new links after a while, and again when it continues", async () => {
    const { it } = exchange();
    it.announced(t.segment, SLICES, true);
    expect(types()).toEqual([]);
    t.paused = 31;
    const { descriptor: next } = await published(8, SIZE);
    it.announced(next, SLICES, true);
    expect(types()).toEqual([["peer", 5]]);
    it.linkOpened("late");
    expect(types().at(-1)).toEqual(["late", 5]);
    t.paused = 0;
    it.want(next, never()).catch(() => undefined);
    expect(types().at(-1)).toEqual(["peer", 4]);
  });

  it("also counts as paused when it plays far behind", async () => {
    const { it } = exchange();
    it.announced((await published(40, SIZE)).descriptor, SLICES, true);
    it.want((await published(31, SIZE)).descriptor, never()).catch(() => undefined);
    expect(types()).toEqual([["peer", 5]]);
  });

  it("requests nothing that it will not play soon", async () => {
    const { it, stats } = exchange();
    t.paused = 31;
    it.announced(t.segment, SLICES, true);
    it.frame("peer", encodeHave(0, t.segment.sequence, 0b1111).buffer);
    await pass(2_000);
    expect(stats.segments.requested).toBe(0);
  });
});
