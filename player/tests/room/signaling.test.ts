import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerMessage } from "../../src/protocol/messages";
import { RECONNECT_SPREAD_MS, JoinTokens, Signaling } from "../../src/room/signaling";
import type { JoinToken } from "../../src/room/signaling";
import { FakeWebSocket } from "./websocket";

const ROOM = {
  ...{ type: "room", room: "main", plan_version: 2, epoch: 1, you: "me" },
  ...{ for_all: 0, members: [] },
};
const LIFETIME_MS = 600_000;
let messages: ServerMessage[];
let away: number;
/** number of requests for a token, and their result */
let renewals: number;
let renew: () => Promise<JoinToken>;

beforeEach(() => {
  vi.useFakeTimers();
  renewals = 0;
  renew = () => Promise.resolve({ text: `token ${renewals}`, lifetimeMs: LIFETIME_MS });
  FakeWebSocket.all = [];
  messages = [];
  away = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

function connect(): { signaling: Signaling; socket: (nth: number) => FakeWebSocket } {
  const signaling = new Signaling({
    url: new URL("wss://tv.test/ws/room"),
    WebSocket: FakeWebSocket as unknown as typeof WebSocket,
    tokens: new JoinTokens({
      first: { text: "token 0", lifetimeMs: LIFETIME_MS },
      renew: () => {
        renewals += 1;
        return renew();
      },
      now: () => performance.now(),
    }),
    variant: () => 1,
    sharing: true,
    upload: true,
    onMessage: (message) => messages.push(message),
    onLost: () => (away += 1),
    random: () => 1,
  });
  const socket = (nth: number): FakeWebSocket => {
    const found = FakeWebSocket.all[nth];
    if (!found) throw new Error(`there is no socket ${nth}`);
    return found;
  };
  return { signaling, socket };
}

describe("signaling", () => {
  it("joins and passes messages on in order, ignoring invalid ones", () => {
    const { signaling, socket } = connect();
    socket(0).accept();
    expect(socket(0).sent).toEqual([
      {
        type: "join",
        plan_version: 2,
        variant: 1,
        sharing: true,
        upload: true,
        replay: null,
        token: "token 0",
      },
    ]);
    expect(signaling.joined).toBe(false);
    socket(0).receive({ type: "stream", stream: "a", live: true });
    socket(0).receive({ type: "gossip" });
    socket(0).receive(ROOM);
    expect(messages.map(({ type }) => type)).toEqual(["stream", "room"]);
    expect(signaling.joined).toBe(true);
  });

  it("drops messages while there is no connection", () => {
    const { signaling, socket } = connect();
    signaling.send({ type: "ready" });
    expect(socket(0).sent).toEqual([]);
  });

  it("reconnects after minutes if its replay is unknown", () => {
    const { socket } = connect();
    socket(0).accept();
    socket(0).receive({ type: "error", code: "unknown_replay", message: "there is none" });
    socket(0).close();
    vi.advanceTimersByTime(119_000);
    expect(FakeWebSocket.all).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    expect(FakeWebSocket.all).toHaveLength(2);
  });

  it("reconnects with backoff until it is let in", () => {
    const { signaling, socket } = connect();
    const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    pauses.forEach((pause, nth) => {
      // accepting the connection and rejecting the join is not a success
      socket(nth).accept();
      socket(nth).close();
      vi.advanceTimersByTime(pause - 1);
      expect(FakeWebSocket.all).toHaveLength(nth + 1);
      vi.advanceTimersByTime(1);
      expect(FakeWebSocket.all).toHaveLength(nth + 2);
    });
    socket(pauses.length).accept();
    socket(pauses.length).receive(ROOM);
    socket(pauses.length).close();
    expect(signaling.joined).toBe(false);
    // it was let in: others were, too, and all of them have lost their connection
    vi.advanceTimersByTime(RECONNECT_SPREAD_MS - 1);
    expect(FakeWebSocket.all).toHaveLength(pauses.length + 1);
    vi.advanceTimersByTime(1);
    expect(FakeWebSocket.all).toHaveLength(pauses.length + 2);
  });

  it("does not reconnect once closed", () => {
    const { signaling } = connect();
    signaling.close();
    vi.advanceTimersByTime(100_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });
});

describe("a viewer's token", () => {
  it("is used again while it is fresh", async () => {
    const { socket } = connect();
    socket(0).accept();
    socket(0).receive(ROOM);
    await vi.advanceTimersByTimeAsync(LIFETIME_MS / 2 - 2 * RECONNECT_SPREAD_MS);
    socket(0).close();
    await vi.advanceTimersByTimeAsync(RECONNECT_SPREAD_MS);
    socket(1).accept();
    expect(socket(1).sent).toMatchObject([{ type: "join", token: "token 0" }]);
    expect(renewals).toBe(0);
  });

  it("is renewed before a join after half of its lifetime", async () => {
    const { socket } = connect();
    socket(0).accept();
    socket(0).receive(ROOM);
    await vi.advanceTimersByTimeAsync(24 * 3_600_000);
    expect(renewals).toBe(0); // a member of a room needs no new one
    socket(0).close();
    await vi.advanceTimersByTimeAsync(RECONNECT_SPREAD_MS);
    socket(1).accept();
    expect(socket(1).sent).toMatchObject([{ type: "join", token: "token 1" }]);
  });

  it("that has expired is used if the site issues no other", async () => {
    renew = () => Promise.reject(new Error("the site is gone"));
    const { socket } = connect();
    await vi.advanceTimersByTimeAsync(LIFETIME_MS);
    socket(0).close();
    await vi.advanceTimersByTimeAsync(1_000);
    socket(1).accept();
    expect(socket(1).sent).toMatchObject([{ type: "join", token: "token 0" }]);
    expect(renewals).toBe(1);
  });

  it.each(["token_missing", "token_invalid", "token_expired"])(
    "is renewed after %s, with backoff",
    async (code) => {
      const { socket } = connect();
      for (const [nth, pause] of [1_000, 2_000, 4_000, 8_000].entries()) {
        socket(nth).accept();
        expect(socket(nth).sent).toMatchObject([{ type: "join", token: `token ${nth}` }]);
        socket(nth).receive({ type: "error", code, message: "no" });
        socket(nth).close();
        await vi.advanceTimersByTimeAsync(pause - 1);
        expect([FakeWebSocket.all.length, renewals]).toEqual([nth + 1, nth]);
        await vi.advanceTimersByTimeAsync(1);
        expect([FakeWebSocket.all.length, renewals]).toEqual([nth + 2, nth + 1]);
      }
      expect(messages.map(({ type }) => type)).toEqual(["error", "error", "error", "error"]);
    },
  );

  it("is kept after other errors", async () => {
    const { socket } = connect();
    socket(0).accept();
    socket(0).receive({ type: "error", code: "plan_version", message: "load the page again" });
    socket(0).close();
    await vi.advanceTimersByTimeAsync(1_000);
    socket(1).accept();
    expect(renewals).toBe(0);
  });

  it("that arrives after close() opens no socket", async () => {
    let give: (token: JoinToken) => void = () => undefined;
    renew = () => new Promise((resolve) => (give = resolve));
    const { signaling, socket } = connect();
    await vi.advanceTimersByTimeAsync(LIFETIME_MS);
    socket(0).close();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(renewals).toBe(1);
    signaling.close();
    give({ text: "late", lifetimeMs: LIFETIME_MS });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });
});
