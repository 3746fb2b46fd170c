import { expect, it, vi } from "vitest";
import type { PeerConnectionConstructor } from "../../src/webrtc/connection";
import { Room } from "../../src/room/room";
import { JoinTokens } from "../../src/room/signaling";
import { FakePeerConnection } from "../webrtc/rtc";
import { FakeWebSocket } from "./websocket";

it("no links are made before the viewer may connect", async () => {
  let begin = (): void => undefined;
  const token = { text: "token", lifetimeMs: 600_000 };
  const now = () => 0;
  const room = new Room({
    url: new URL("wss://tv.test/ws/room"),
    WebSocket: FakeWebSocket as unknown as typeof WebSocket,
    tokens: new JoinTokens({ first: token, renew: () => Promise.resolve(token), now }),
    PeerConnection: FakePeerConnection as unknown as PeerConnectionConstructor,
    iceServers: [],
    upload: true,
    uploadCapBps: () => null,
    mayConnect: new Promise((resolve) => (begin = resolve)),
    now,
    variant: () => 0,
    onJoined: vi.fn(),
    onSignalingLost: vi.fn(),
    onSegment: vi.fn(),
    onStream: vi.fn(),
    onOutdated: vi.fn(),
    onFrame: vi.fn(),
    onLinkOpened: vi.fn(),
    onLinkLost: vi.fn(),
    onMemberSwitched: vi.fn(),
    onSent: vi.fn(),
    log: vi.fn(),
  });
  const socket = FakeWebSocket.all.at(-1);
  socket?.accept();
  const line = { variant: 0, ready: true, weight: 4, cut: [] };
  const members = [
    { id: "ann", ...line },
    { id: "me", ...line, ready: false },
  ];
  socket?.receive({
    type: "room",
    room: "r",
    plan_version: 2,
    epoch: 1,
    you: "me",
    for_all: 0,
    members,
  });
  await Promise.resolve();
  expect(FakePeerConnection.all).toHaveLength(0);
  expect(socket?.take().map(({ type }) => type)).toEqual(["join"]);
  begin();
  await Promise.resolve();
  await Promise.resolve();
  expect(FakePeerConnection.all).toHaveLength(1);
  room.close();
});
