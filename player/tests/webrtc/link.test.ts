import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link, UplinkScheduler } from "../../src/webrtc/uplink";
import { content, descriptor } from "../support";
import { FakeChannel } from "./rtc";

const PIECE = content(64 * 1024);
let channel: FakeChannel;
let sent: number;
let link: Link;

beforeEach(() => {
  vi.useFakeTimers();
  channel = new FakeChannel("shoal");
  channel.open();
  sent = 0;
  const uplink = new UplinkScheduler(
    () => performance.now(),
    (bytes) => (sent += bytes),
  );
  const onWork = (): void => {
    uplink.run();
  };
  link = new Link(channel as unknown as RTCDataChannel, 5, onWork, () => Promise.resolve(null));
  uplink.add(link);
});
afterEach(() => {
  vi.useRealTimers();
});
const sendPieces = (count: number, wanted: (index: number) => boolean = () => true) =>
  Array.from({ length: count }, (_, index) =>
    link.sendPiece({
      descriptor: descriptor(1),
      index,
      bytes: PIECE,
      isStillWanted: () => wanted(index),
    }),
  );

describe("a link", () => {
  it("sends a piece in frames", () => {
    expect(sendPieces(1)).toEqual([true]);
    expect(channel.sent.map((frame) => frame.byteLength)).toEqual([32_784, 32_784]);
    expect(sent).toBe(PIECE.byteLength);
  });

  it("keeps at most 64 KiB and one piece in the channel's buffer", () => {
    channel.blocked = true;
    sendPieces(20);
    expect(channel.bufferedAmount).toBeGreaterThanOrEqual(64 * 1024);
    expect(channel.bufferedAmount).toBeLessThan(64 * 1024 + PIECE.byteLength + 64);
  });

  it("skips pieces that are no longer wanted", () => {
    channel.blocked = true;
    let late = false;
    sendPieces(8, (index) => !late || index % 2 === 0);
    const before = channel.sent.length;
    late = true;
    channel.blocked = false;
    channel.bufferedAmount = 0;
    vi.advanceTimersByTime(50);
    expect(channel.sent.length - before).toBe(2 * 3);
  });

  it.each([
    ["when the channel says that it has room", () => channel.onbufferedamountlow?.()],
    ["also if the channel never says so", () => vi.advanceTimersByTime(50)],
  ])("continues %s", (_, nudge) => {
    channel.blocked = true;
    sendPieces(8);
    channel.blocked = false;
    channel.bufferedAmount = 0;
    nudge();
    expect(sent).toBe(8 * PIECE.byteLength);
  });

  it("drops pieces for a member that is too slow", () => {
    channel.blocked = true;
    const results = sendPieces(100);
    expect(results[0]).toBe(true);
    expect(results.at(-1)).toBe(false);
    expect(results.filter(Boolean).length).toBeLessThanOrEqual(64 + 2);
  });

  it("drops its queue when closed", () => {
    channel.blocked = true;
    sendPieces(10);
    const before = channel.sent.length;
    link.close();
    channel.blocked = false;
    channel.bufferedAmount = 0;
    vi.advanceTimersByTime(1_000);
    expect(channel.sent).toHaveLength(before);
  });
});
