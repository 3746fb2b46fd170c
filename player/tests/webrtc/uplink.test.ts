import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link, UplinkScheduler } from "../../src/webrtc/uplink";
import { content, descriptor } from "../support";
import { FakeChannel } from "./rtc";

/** What a link's counter has beside the pieces. */
const PAYLOAD_PART = 0.85;
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
    Promise.resolve(link.transmittedBytes / PAYLOAD_PART),
  );
  uplink.add(link);
  return { link, channel };
}
const send = (link: Link, count: number): void => {
  for (let index = 0; index < count; index += 1)
    link.sendPiece({ descriptor: descriptor(1), index, bytes: PIECE, isStillWanted: () => true });
};
/** Lets the channels send so many bytes a millisecond together, the fuller first. */
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

describe("the uplink", () => {
  it("measures what all links carry together", async () => {
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

  it("does not take a member that stands still for a slow link", async () => {
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

  it("does not take members whose own links are slow for a slow one", async () => {
    const all = [linked(), linked(), linked()];
    for (const { link } of all) send(link, 60);
    const channels = all.map(({ channel }) => channel);
    await carry([...channels], 125, 5_000);
    expect(uplink.bps).not.toBeNull();
    // two of them have taken another rendition: it was their links that were waited for
    for (const { link } of all.slice(1)) uplink.excludeFromEstimate(link);
    expect(uplink.bps).toBeNull();
    await carry([...channels], 125, 10_000);
    expect(uplink.bps).toBeNull();
    // not for ever
    for (const { link } of all) send(link, 60);
    await carry([...channels], 125, 30_000);
    expect((uplink.bps ?? 0) / 1e6).toBeCloseTo(1, 0);
  });

  it("keeps count of what a link that is gone carried", async () => {
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

  it("goes on with the turns where they ended when the link has room again", async () => {
    const all = [linked(), linked(), linked(), linked(), linked()];
    for (const { link } of all) send(link, 60);
    const channels = all.map(({ channel }) => channel);
    await carry([...channels], 125, 12_000);
    expect(uplink.bps).not.toBeNull();
    const counts = channels.map(({ sent: frames }) => frames.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(3);
    expect(Math.max(...counts)).toBeLessThan(60);
  });

  it("gives everybody a piece before anybody the next", () => {
    const both = [linked(), linked()];
    for (const { link } of both) send(link, 4);
    expect(both.map(({ channel }) => channel.sent.length)).toEqual([2, 2]);
    expect(sent).toBe(4 * PIECE.byteLength);
  });
});

describe("the viewer's own limit", () => {
  it("holds pieces back, and is what the link is said to carry", () => {
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
