import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PeerConnectionConstructor } from "../../src/webrtc/connection";
import { Mesh } from "../../src/webrtc/mesh";
import type { SignalData } from "../../src/protocol/messages";
import { content, descriptor } from "../support";
import { FakePeerConnection } from "./rtc";

interface Node {
  mesh: Mesh;
  opened: string[];
  lost: string[];
  received: { from: string; data: ArrayBuffer }[];
  signals: { to: string; data: SignalData }[];
}
let nodes: Map<string, Node>;

beforeEach(() => {
  vi.useFakeTimers();
  FakePeerConnection.all = [];
  FakePeerConnection.answering = true;
  nodes = new Map();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A member whose signals reach the other members of this test. */
function member(id: string): Node {
  const node: Node = {
    opened: [],
    lost: [],
    received: [],
    signals: [],
    mesh: new Mesh({
      PeerConnection: FakePeerConnection as unknown as PeerConnectionConstructor,
      iceServers: [{ urls: "stun:stun.test" }],
      now: () => 42,
      mayPlay: () => true,
      sendSignal: (to, data) => {
        node.signals.push({ to, data });
        void nodes.get(to)?.mesh.accept(id, data);
      },
      onLinkOpened: (other) => node.opened.push(other),
      onLinkLost: (other) => node.lost.push(other),
      onFrame: (from, data) => node.received.push({ from, data }),
      onSent: () => undefined,
      upload: true,
      uploadCapBps: () => null,
      random: () => 0.5,
    }),
  };
  nodes.set(id, node);
  return node;
}
const pause = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

describe("the mesh", () => {
  it("links two members by one offer, with one unordered channel", async () => {
    const [a, b] = [member("a"), member("b")];
    a.mesh.connect(["b"]);
    expect(a.mesh.isPending("b")).toBe(true);
    await pause();
    expect(a.opened).toEqual(["b"]);
    expect(b.opened).toEqual(["a"]);
    expect(a.mesh.openedAt("b")).toBe(42);
    const [caller] = FakePeerConnection.all;
    expect(caller?.channel).toMatchObject({ label: "shoal", options: { ordered: false } });
    expect(caller?.configuration.iceServers).toEqual([{ urls: "stun:stun.test" }]);
    const piece = {
      descriptor: descriptor(1),
      index: 0,
      bytes: content(10),
      isStillWanted: () => true,
    };
    b.mesh.sendPiece("a", piece);
    b.mesh.sendPiece("nobody", piece);
    expect(a.received.map(({ from, data }) => [from, data.byteLength])).toEqual([["b", 26]]);
  });

  it("batches candidates, and keeps those that arrive before the description", async () => {
    const [a, b] = [member("a"), member("b")];
    await b.mesh.accept("a", { candidates: [{ candidate: "too soon" }] });
    a.mesh.connect(["b"]);
    await pause(200);
    const batches = a.signals.filter(({ data }) => "candidates" in data);
    expect(batches).toEqual([
      { to: "b", data: { candidates: [{ candidate: "one" }, { candidate: "two" }] } },
    ]);
    expect(FakePeerConnection.all[1]?.candidates).toHaveLength(2);
  });

  it("has at most six unfinished offers, and continues as they finish or fail", async () => {
    const a = member("a");
    const others = Array.from({ length: 9 }, (_, i) => `b${i}`);
    a.mesh.connect(others);
    await pause();
    expect(FakePeerConnection.all).toHaveLength(6);
    expect(others.every((id) => a.mesh.isPending(id))).toBe(true);
    FakePeerConnection.all[0]?.fail();
    await pause();
    expect(FakePeerConnection.all).toHaveLength(7);
    expect(a.mesh.isPending("b0")).toBe(false);
    // nobody answers: the others have their turn after the timeout
    await pause(10_000);
    const called = FakePeerConnection.all.length;
    expect(called).toBeGreaterThanOrEqual(9);
    await pause(10_000);
    expect(new Set(a.lost)).toEqual(new Set(others));
    expect(a.mesh.unreachableCount).toBe(9);
  });

  it("closes the links to members that left", async () => {
    const [a, b, c] = [member("a"), member("b"), member("c")];
    a.mesh.connect(["b", "c"]);
    await pause();
    a.mesh.retain(new Set(["c"]));
    expect([a.mesh.isOpen("b"), a.mesh.isOpen("c")]).toEqual([false, true]);
    expect(b.lost).toEqual(["a"]);
    expect(c.lost).toEqual([]);
  });

  it("retries after 2, 4, 8, … seconds while the member is in the room", async () => {
    const a = member("a");
    a.mesh.connect(["b"]);
    await pause();
    const calls: number[] = [];
    for (let s = 0; s < 60; s += 1) {
      FakePeerConnection.all.at(-1)?.fail();
      const before = FakePeerConnection.all.length;
      await pause(1_000);
      if (FakePeerConnection.all.length > before) calls.push(s + 1);
    }
    expect(calls).toEqual([2, 6, 14, 30]);
    expect([a.mesh.unreachableCount, a.mesh.hasFailed("b")]).toEqual([1, true]);
    a.mesh.retain(new Set());
    const before = FakePeerConnection.all.length;
    await pause(120_000);
    expect(FakePeerConnection.all).toHaveLength(before);
    expect(a.mesh.unreachableCount).toBe(0);
  });

  it("reconnects a lost link from the side that had made the offer", async () => {
    const [a, b] = [member("a"), member("b")];
    a.mesh.connect(["b"]);
    await pause();
    for (const connection of FakePeerConnection.all) connection.fail();
    expect([a.mesh.size, b.mesh.size]).toEqual([0, 0]);
    expect(a.mesh.unreachableCount).toBe(0);
    await pause(2_000);
    expect([a.opened, b.opened]).toEqual([
      ["b", "b"],
      ["a", "a"],
    ]);
    expect(FakePeerConnection.all).toHaveLength(4);
  });

  it("does not reconnect to an expelled member", async () => {
    const [a, b] = [member("a"), member("b")];
    a.mesh.connect(["b"]);
    await pause();
    b.mesh.expel("a");
    await pause(60_000);
    expect(b.opened).toEqual(["a"]);
    expect(b.mesh.size).toBe(0);
  });

  it("survives a candidate that cannot be used", async () => {
    const [a, b] = [member("a"), member("b")];
    await b.mesh.accept("a", { candidates: [{ candidate: "unusable" }] });
    a.mesh.connect(["b"]);
    await pause();
    await b.mesh.accept("a", { candidates: [{ candidate: "unusable" }, { candidate: "good" }] });
    expect(b.lost).toEqual([]);
    expect(b.mesh.isOpen("a")).toBe(true);
    expect(FakePeerConnection.all[1]?.candidates).toContainEqual({ candidate: "good" });
  });

  it("replaces an old link on a new offer", async () => {
    const [a, b] = [member("a"), member("b")];
    a.mesh.connect(["b"]);
    await pause();
    nodes.set("a", member("a"));
    nodes.get("a")?.mesh.connect(["b"]);
    await pause();
    expect(b.opened).toEqual(["a", "a"]);
    expect(b.mesh.size).toBe(1);
  });

  it("survives descriptions that cannot be used", async () => {
    const a = member("a");
    await a.mesh.accept("x", { description: { type: "offer", sdp: "99" } });
    expect(a.lost).toEqual(["x"]);
    await a.mesh.accept("y", { description: { type: "answer", sdp: "0" } });
    FakePeerConnection.answering = false;
    member("b").mesh.connect(["a"]);
    await pause();
    expect(a.lost).toEqual(["x", "b"]);
    expect(a.mesh.size).toBe(0);
  });
});
