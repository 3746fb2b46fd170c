import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link, UplinkScheduler } from "../../src/webrtc/uplink";
import { content, descriptor } from "../support";
import { FakeChannel } from "./rtc";

/** The fraction of a connection's byte counter that is pieces. */
const PAYLOAD_FRACTION = 0.85;
const PIECE = content(32 * 1024);
let uplink: UplinkScheduler;
let sent: number;

beforeEach(() => {
  vi.useFakeTimers();
  sent = 0;
  uplink = new UplinkScheduler(
    () => performance.now(),
    (bytes) => (sent += bytes),
  );
});
afterEach(() => {
  vi.useRealTimers();
});

function linked(): { link: Link; channel: FakeChannel } {
  const channel = new FakeChannel("shoal");
  channel.open();
  channel.blocked = true;
  const onWork = (): void => {
    uplink.run();
  };
  const link: Link = new Link(channel as unknown as RTCDataChannel, 0, onWork, () =>
    Promise.resolve(link.transmittedBytes / PAYLOAD_FRACTION),
  );
  uplink.add(link);
  return { link, channel };
}
const send = (link: Link, count: number): void => {
  for (let index = 0; index < count; index += 1)
    link.sendPiece({ descriptor: descriptor(1), index, bytes: PIECE, isStillWanted: () => true });
};
/** Let all channels together send this many bytes per millisecond, fullest first. */
async function carry(channels: FakeChannel[], bytesPerMs: number, ms: number): Promise<void> {
  for (let t = 0; t < ms; t += 10) {
    let budget = bytesPerMs * 10;
    for (const channel of channels.sort((a, b) => b.bufferedAmount - a.bufferedAmount)) {
      const gone = Math.min(channel.bufferedAmount, budget);
      channel.bufferedAmount -= gone;
      budget -= gone;
    }
    await vi.advanceTimersByTimeAsync(10);
  }
}

describe("the uplink scheduler", () => {
  it("measures all links together", async () => {
    const both = [linked(), linked()];
    for (const { link } of both) send(link, 40);
    await carry(
      both.map(({ channel }) => channel),
      125,
      8_000,
    );
    expect((uplink.bps ?? 0) / 1e6).toBeGreaterThan(0.85);
    expect((uplink.bps ?? 0) / 1e6).toBeLessThan(1.15);
  });

  it("is not misled by a member that has stalled", async () => {
    const stuck = linked();
    const fast = [linked(), linked()];
    send(stuck.link, 20);
    for (let segment = 0; segment < 10; segment += 1) {
      for (const { link } of fast) send(link, 10);
      await carry(
        fast.map(({ channel }) => channel),
        2_000,
        4_000,
      );
    }
    expect(uplink.bps).toBeNull();
    expect(fast.map(({ link }) => link.queuedBytes)).toEqual([0, 0]);
  });

  it("is not misled by members whose own links are slow", async () => {
    const all = [linked(), linked(), linked()];
    for (const { link } of all) send(link, 60);
    const channels = all.map(({ channel }) => channel);
    await carry([...channels], 125, 5_000);
    expect(uplink.bps).not.toBeNull();
    // two of them have switched variants: their own links were the bottleneck
    for (const { link } of all.slice(1)) uplink.excludeFromEstimate(link);
    expect(uplink.bps).toBeNull();
    await carry([...channels], 125, 10_000);
    expect(uplink.bps).toBeNull();
    // but not forever
    for (const { link } of all) send(link, 60);
    await carry([...channels], 125, 30_000);
    expect((uplink.bps ?? 0) / 1e6).toBeCloseTo(1, 0);
  });

  it("counts what a lost link carried", async () => {
    const [a, b] = [linked(), linked()];
    send(a.link, 60);
    send(b.link, 60);
    await carry([a.channel, b.channel], 125, 5_000);
    uplink.remove(a.link);
    a.link.close();
    await carry([b.channel], 125, 5_000);
    expect((uplink.bps ?? 0) / 1e6).toBeCloseTo(1, 0);
    expect(uplink.bps).toBeGreaterThan(0);
  });

  it("continues its round robin where it stopped", async () => {
    const all = [linked(), linked(), linked(), linked(), linked()];
    for (const { link } of all) send(link, 60);
    const channels = all.map(({ channel }) => channel);
    await carry([...channels], 125, 12_000);
    expect(uplink.bps).not.toBeNull();
    const counts = channels.map(({ sent: frames }) => frames.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(3);
    expect(Math.max(...counts)).toBeLessThan(60);
  });

  it("sends everybody one piece before anybody the next", () => {
    const both = [linked(), linked()];
    for (const { link } of both) send(link, 4);
    expect(both.map(({ channel }) => channel.sent.length)).toEqual([2, 2]);
    expect(sent).toBe(4 * PIECE.byteLength);
  });
});

describe("the upload cap", () => {
  it("holds pieces back, and bounds the uplink that is reported", () => {
    const limited = new UplinkScheduler(
      () => performance.now(),
      (bytes) => (sent += bytes),
      () => 800_000,
    );
    const channel = new FakeChannel("shoal");
    channel.open();
    const onWork = (): void => {
      limited.run();
    };
    const uncounted = () => Promise.resolve(null);
    const link = new Link(channel as unknown as RTCDataChannel, 0, onWork, uncounted);
    limited.add(link);
    send(link, 100);
    vi.advanceTimersByTime(10_000);
    expect(sent).toBeGreaterThan(900_000);
    expect(sent).toBeLessThan(1_200_000);
    expect(limited.bps).toBe(800_000);
  });
});
