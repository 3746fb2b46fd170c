import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerMessage } from "../../src/engine/protocol";
import { Signaling } from "../../src/engine/signaling";
import { FakeWebSocket } from "./websocket";

const ROOM = { type: "room", room: "main", plan_version: 1, epoch: 1, you: "me", members: [] };
let messages: ServerMessage[];
let away: number;

beforeEach(() => {
  vi.useFakeTimers();
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
    variant: () => 1,
    sharing: true,
    onMessage: (message) => messages.push(message),
    onAway: () => (away += 1),
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
  it("joins, and hands messages on in order, nonsense left out", () => {
    const { signaling, socket } = connect();
    socket(0).accept();
    expect(socket(0).sent).toEqual([{ type: "join", plan_version: 1, variant: 1, sharing: true }]);
    expect(signaling.joined).toBe(false);
    socket(0).receive({ type: "stream", stream: "a", live: true });
    socket(0).receive({ type: "gossip" });
    socket(0).receive(ROOM);
    expect(messages.map(({ type }) => type)).toEqual(["stream", "room"]);
    expect(signaling.joined).toBe(true);
  });

  it("drops what is said while there is no connection", () => {
    const { signaling, socket } = connect();
    signaling.send({ type: "ready" });
    expect(socket(0).sent).toEqual([]);
  });

  it("comes back with growing pauses, until it is let in", () => {
    const { signaling, socket } = connect();
    const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    pauses.forEach((pause, nth) => {
      // a server that accepts and refuses is no success
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
    vi.advanceTimersByTime(1_000);
    expect(FakeWebSocket.all).toHaveLength(pauses.length + 2);
  });

  it("stays away once closed", () => {
    const { signaling } = connect();
    signaling.close();
    vi.advanceTimersByTime(100_000);
    expect(FakeWebSocket.all).toHaveLength(1);
  });
});
