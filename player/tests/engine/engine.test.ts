import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PeerConnectionConstructor } from "../../src/webrtc/connection";
import { Engine } from "../../src/engine/engine";
import type { Descriptor } from "../../src/protocol/messages";
import type { StoreDouble } from "../support";
import { PIECE_BYTES, published, storeOf } from "../support";
import { FakePeerConnection } from "../webrtc/rtc";
import { FakeWebSocket } from "../room/websocket";

const SIZE = 4 * PIECE_BYTES;

interface Viewer {
  engine: Engine;
  socket: FakeWebSocket;
  store: StoreDouble;
  lines: string[];
  onAir: boolean[];
}
let bytes: Uint8Array<ArrayBuffer>;
let segment: Descriptor;
let viewers: Map<string, Viewer>;
/** the segments in `/live/0/segments.json` */
let list: object[];

beforeEach(async () => {
  ({ descriptor: segment, bytes } = await published(7, SIZE));
  FakePeerConnection.all = [];
  FakeWebSocket.all = [];
  viewers = new Map();
  list = [];
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const { engine } of viewers.values()) engine.close();
});

function viewer(id: string, platform: object = {}): Viewer {
  const store = storeOf(() => bytes);
  const lines: string[] = [];
  const onAir: boolean[] = [];
  const engine = new Engine({
    platform: {
      fetch: (url, init) =>
        url instanceof URL && url.pathname.endsWith("/segments.json")
          ? Promise.resolve(Response.json({ stream: "a", variants: { "0": { segments: list } } }))
          : store.fetch(url, init),
      WebSocket: FakeWebSocket as unknown as typeof WebSocket,
      PeerConnection: FakePeerConnection as unknown as PeerConnectionConstructor,
      subtle: crypto.subtle,
      now: () => performance.now(),
      ...platform,
    },
    player: { bufferedS: () => 8, latencyS: () => 9, pausedS: () => 0, playing: () => true },
    room: new URL("wss://tv.test/ws/room"),
    joinToken: { text: "token", lifetimeMs: 600_000 },
    renewJoinToken: () => Promise.resolve({ text: "another", lifetimeMs: 600_000 }),
    segments: new URL("https://tv.test/live/segments.json"),
    iceServers: [],
    upload: true,
    mayConnect: Promise.resolve(),
    onPublished: vi.fn(),
    onStream: (live) => onAir.push(live),
    onOutdated: vi.fn(),
    log: (line) => lines.push(line),
  });
  const socket = FakeWebSocket.all.at(-1) ?? new FakeWebSocket(new URL("wss://none.test"));
  const found = { engine, socket, store, lines, onAir };
  viewers.set(id, found);
  return found;
}

const ROOM = { type: "room", room: "main", plan_version: 2, for_all: 0 };

/** Plays signaling: sends the roster to everybody, and passes signals on. */
function roster(epoch: number, ready: string[]): void {
  const members = [...viewers.keys()].map((id) => ({
    ...{ id, variant: 0, weight: 4, cut: [] },
    ready: ready.includes(id),
  }));
  for (const [you, { socket }] of viewers) socket.receive({ ...ROOM, epoch, you, members });
}
function passSignals(): void {
  for (const [from, { socket }] of viewers)
    for (const { type, to, data } of socket.take())
      if (type === "signal") viewers.get(String(to))?.socket.receive({ type, from, data });
}
function announce(epoch: number): void {
  const { pieceSize, pieceHashes, ...rest } = segment;
  const descriptor = { ...rest, piece_size: pieceSize, pieces: pieceHashes };
  for (const { socket } of viewers.values()) socket.receive({ type: "segment", epoch, descriptor });
}
async function room(): Promise<[Viewer, Viewer]> {
  const a = viewer("a");
  a.socket.accept();
  roster(1, []);
  const b = viewer("b");
  b.socket.accept();
  roster(2, ["a"]);
  await vi.waitFor(() => {
    passSignals();
    expect([a.engine.peers, b.engine.peers]).toEqual([1, 1]);
  });
  roster(3, ["a", "b"]);
  return [a, b];
}
const get = (of: Viewer) =>
  of.engine.fragment(segment.url, segment.sequence, new AbortController().signal);

describe("two viewers", () => {
  it("become ready: the first at once, the second once it is linked", () => {
    const a = viewer("a");
    a.socket.accept();
    roster(1, []);
    expect(a.socket.take().map(({ type }) => type)).toEqual(["join", "ready"]);
    const b = viewer("b");
    b.socket.accept();
    roster(2, ["a"]);
    expect(b.socket.take().map(({ type }) => type)).not.toContain("ready");
  });

  it("fetch one copy of a segment from the store, half each", async () => {
    const both = await room();
    announce(3);
    for (const { data } of await Promise.all(both.map(get)))
      expect(new Uint8Array(data)).toEqual(bytes);
    expect(both.flatMap(({ store }) => store.ranges).sort()).toEqual([
      `bytes=0-${2 * PIECE_BYTES - 1}`,
      `bytes=${2 * PIECE_BYTES}-${4 * PIECE_BYTES - 1}`,
    ]);
    for (const { engine, lines } of both) {
      expect(engine.stats.share).toBe(0.5);
      expect(engine.stats.total.uploaded).toBe(SIZE / 2);
      expect(lines).toContain("🤝 Peer connected (Total: 1)");
    }
  });

  it("report their stats", async () => {
    const [a] = await room();
    a.socket.take();
    a.engine.report();
    expect(a.socket.take()).toMatchObject([{ type: "stats", peers: 1, latency_s: 9 }]);
  });

  it("keep their links while signaling is lost, and make new ones under new ids", async () => {
    const [a, b] = await room();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    b.socket.close();
    vi.advanceTimersByTime(1_000);
    expect(b.engine.peers).toBe(1);
    b.socket = FakeWebSocket.all.at(-1) ?? b.socket;
    b.socket.accept();
    viewers.delete("b");
    viewers.set("b2", b);
    roster(4, ["a"]);
    expect(a.engine.peers).toBe(0);
    vi.useRealTimers();
    await vi.waitFor(() => {
      passSignals();
      expect(b.engine.peers).toBe(1);
    });
    expect(b.engine.membership).toMatchObject({ id: "b2", members: 2, epoch: 4, ready: false });
  });
});

describe("while signaling is lost", () => {
  /** A later segment that is only in the list. */
  async function drift() {
    const both = await room();
    announce(3);
    await Promise.all(both.map(get));
    const next = await published(8, SIZE);
    const { pieceSize, pieceHashes, ...rest } = next.descriptor;
    list = [{ ...rest, piece_size: pieceSize, pieces: pieceHashes }];
    bytes = next.bytes;
    for (const { store, socket } of both) {
      store.ranges.length = 0;
      socket.close();
    }
    return { both, next };
  }
  const halves = [
    `bytes=0-${2 * PIECE_BYTES - 1}`,
    `bytes=${2 * PIECE_BYTES}-${4 * PIECE_BYTES - 1}`,
  ];

  it("viewers share the segments in the list: one copy leaves the store", async () => {
    const { both, next } = await drift();
    const { url } = next.descriptor;
    const got = both.map(({ engine }) => engine.fragment(url, 8, new AbortController().signal));
    for (const { data } of await Promise.all(got)) expect(new Uint8Array(data)).toEqual(next.bytes);
    expect(both.flatMap(({ store }) => store.ranges).sort()).toEqual(halves);
  });

  it("an owner looks for its slices itself, once per segment", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { both } = await drift();
    await vi.advanceTimersByTimeAsync(5_000);
    vi.useRealTimers();
    await vi.waitFor(() => {
      expect(both.flatMap(({ store }) => store.ranges).sort()).toEqual(halves);
    });
  });

  it("nothing is reported until after the next join", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { both } = await drift();
    const [a] = both;
    a.engine.report();
    expect(a.engine.stats.total.bytes).toMatchObject({ p2p: SIZE / 2, store: SIZE / 2 });
    // both reconnect after the same delay, in order
    await vi.waitFor(
      () => {
        expect(FakeWebSocket.all).toHaveLength(4);
      },
      { timeout: 2_000 },
    );
    a.socket = FakeWebSocket.all[2] ?? a.socket;
    a.socket.accept();
    a.engine.report();
    expect(a.socket.take().map(({ type }) => type)).toEqual(["join"]);
    viewers.delete("a");
    viewers.delete("b");
    viewers.set("a2", a);
    roster(1, []);
    a.socket.take();
    a.engine.report();
    expect(a.socket.take()).toMatchObject([{ bytes: { p2p: SIZE / 2, store: SIZE / 2 } }]);
    both[1].engine.close();
  });
});

describe("links that cannot be made", () => {
  it("are logged once, and do not delay readiness once those members have left", async () => {
    const a = viewer("a");
    a.socket.accept();
    viewers.set("ghost", { ...a, socket: new FakeWebSocket(new URL("wss://none.test")) });
    roster(1, []);
    await Promise.resolve();
    FakePeerConnection.all.at(-1)?.fail();
    roster(2, []);
    expect(a.lines).toEqual(["could not connect to 1 of 1 viewers"]);
    expect(a.engine.membership).toMatchObject({ unreachable: 1, members: 2 });
    expect(a.socket.take().map(({ type }) => type)).not.toContain("ready");
    viewers.delete("ghost");
    roster(3, []);
    expect(a.socket.take().map(({ type }) => type)).toEqual(["links", "ready"]);
    expect(a.engine.membership).toMatchObject({ unreachable: 0 });
  });
});

it("a request aborted during the descriptor lookup fetches nothing", async () => {
  const { pieceSize, pieceHashes, ...rest } = segment;
  list = [{ ...rest, piece_size: pieceSize, pieces: pieceHashes }];
  const a = viewer("a");
  const abort = new AbortController();
  const got = a.engine.fragment(segment.url, segment.sequence, abort.signal);
  abort.abort(new Error("gone"));
  await expect(got).rejects.toThrow("gone");
  expect(a.store.ranges).toEqual([]);
});

describe("a viewer that cannot share", () => {
  it.each([
    ["no WebRTC", { PeerConnection: null }],
    ["no WebCrypto", { subtle: null }],
  ])("for lack of %s plays from the store, and is counted", async (sharing, platform) => {
    const alone = viewer("a", platform);
    expect(alone.engine.sharing).toBe(sharing);
    alone.socket.accept();
    alone.socket.receive({
      ...{ type: "room", room: "main", plan_version: 2, for_all: 0, epoch: 1, you: "a" },
      members: [{ id: "b", variant: 0, ready: true, weight: 4, cut: [] }],
    });
    expect(alone.socket.take()).toEqual([
      {
        ...{ type: "join", plan_version: 2, variant: 0, sharing: false, upload: true },
        ...{ token: "token", replay: null },
      },
    ]);
    const { data } = await get(alone);
    expect(new Uint8Array(data)).toEqual(bytes);
  });
});

it("a switch of variants is sent once", async () => {
  const a = viewer("a");
  a.socket.accept();
  const other = { ...segment, url: segment.url.replace("/live/0/", "/live/1/") };
  for (const { url } of [segment, other, other])
    await a.engine.fragment(url, 7, new AbortController().signal);
  expect(a.socket.take().filter(({ type }) => type === "variant")).toEqual([
    { type: "variant", variant: 1 },
  ]);
});

it("whether a stream is on air is passed on", () => {
  const { socket, onAir } = viewer("a");
  socket.receive({ type: "stream", stream: null, live: false });
  expect(onAir).toEqual([false]);
});
