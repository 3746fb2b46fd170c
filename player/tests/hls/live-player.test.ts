import { ErrorTypes, Events } from "hls.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StationState } from "../../src/hls/live-player";
import { LivePlayer } from "../../src/hls/live-player";
import type { PlaylistState } from "../../src/hls/playlist-probe";
import { probePlaylist } from "../../src/hls/playlist-probe";
import { UNKNOWN_NETWORK } from "../support";

const { hls, FakeHls } = vi.hoisted(() => {
  class FakeHls {
    handlers = new Map<string, (event: string, data: unknown) => void>();
    latency = 0;
    targetLatency: number | null = null;
    liveSyncPosition: number | null = null;
    destroyed = false;
    loads = 0;
    recoveries = 0;
    constructor() {
      hls.all.push(this);
    }
    static isSupported = () => hls.supported;
    on(event: string, handler: (event: string, data: unknown) => void): void {
      this.handlers.set(event, handler);
    }
    emit(event: string, data: unknown): void {
      this.handlers.get(event)?.(event, data);
    }
    loadSource(): void {}
    attachMedia(): void {}
    recoverMediaError(): void {
      this.recoveries += 1;
    }
    startLoad(): void {
      this.loads += 1;
    }
    destroy(): void {
      this.destroyed = true;
    }
  }
  const hls = { all: [] as FakeHls[], supported: true };
  return { hls, FakeHls };
});
type FakeHls = InstanceType<typeof FakeHls>;

vi.mock(import("hls.js"), async (original) => {
  const actual = await original();
  return { ...actual, default: FakeHls as unknown as typeof actual.default };
});
vi.mock(import("../../src/hls/playlist-probe"));
vi.mock(import("../../src/hls/abr"));

class FakeVideo extends EventTarget {
  readonly HAVE_CURRENT_DATA = 2;
  currentTime = 0;
  ahead = 0;
  paused = false;
  ended = false;
  error = null;
  readyState = 2;
  playbackRate = 1;
  sources: string[] = [];
  set src(url: string) {
    this.sources.push(url);
  }
  get buffered() {
    const { currentTime, ahead } = this;
    return { length: ahead > 0 ? 1 : 0, start: () => 0, end: () => currentTime + ahead };
  }
  play = () => Promise.resolve();
}

let video: FakeVideo;
let live: LivePlayer;
let states: StationState[];
let found: PlaylistState;

beforeEach(() => {
  vi.useFakeTimers();
  hls.all = [];
  hls.supported = true;
  found = "live";
  vi.mocked(probePlaylist)
    .mockReset()
    .mockImplementation(() => Promise.resolve(found));
  states = [];
  video = new FakeVideo();
});
afterEach(() => {
  vi.useRealTimers();
});
const pause = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
async function open(): Promise<FakeHls> {
  live = new LivePlayer({
    video: video as unknown as HTMLVideoElement,
    playlist: new URL("https://tv.test/live/playlist.m3u8"),
    fragmentLoader: vi.fn(),
    network: () => UNKNOWN_NETWORK,
    onNextVariant: vi.fn(),
    onState: (state) => states.push(state),
    onHls: vi.fn(),
  });
  await pause();
  return newest();
}
const newest = () => hls.all.at(-1) ?? new FakeHls();
const playlist = (of: FakeHls, startSN: number, endSN: number, isLive = true) => {
  of.emit(Events.LEVEL_UPDATED, { details: { startSN, endSN, live: isLive } });
};
const networkError = (of: FakeHls) => {
  of.emit(Events.ERROR, { fatal: true, type: ErrorTypes.NETWORK_ERROR });
};
const onAir = (ahead: number) => {
  video.ahead = ahead;
  video.dispatchEvent(new Event("playing"));
};

describe("a network error", () => {
  it("keeps picture and buffer, and loading resumes", async () => {
    const first = await open();
    onAir(8);
    networkError(first);
    expect(first.destroyed).toBe(false);
    await pause(1_000);
    expect([first.loads, first.destroyed, hls.all.length]).toEqual([1, false, 1]);
    networkError(first);
    await pause(1_000);
    expect(first.loads).toBe(1);
    await pause(1_000);
    expect(first.loads).toBe(2);
  });

  it("reloads the player once the buffer is empty", async () => {
    const first = await open();
    onAir(0.5);
    networkError(first);
    video.ahead = 0;
    await pause(600);
    expect(first.destroyed).toBe(true);
    expect(hls.all).toHaveLength(2);
  });
});

describe("a media error", () => {
  const mediaError = (of: FakeHls) => {
    of.emit(Events.ERROR, { fatal: true, type: ErrorTypes.MEDIA_ERROR });
  };

  it("is recovered from in place, again after a minute without errors", async () => {
    const first = await open();
    for (let n = 1; n <= 5; n += 1) {
      onAir(8);
      mediaError(first);
      expect([first.recoveries, first.destroyed]).toEqual([n, false]);
      // the picture moves
      for (let s = 0; s < 61; s += 1) {
        video.currentTime += 1;
        await pause(1_000);
      }
    }
  });

  it("that recurs at once reloads the player, less and less often", async () => {
    await open();
    const reloads: number[] = [];
    for (let ms = 0; ms < 60_000; ms += 100) {
      const { length } = hls.all;
      newest().emit(Events.FRAG_BUFFERED, {});
      if (!newest().destroyed) mediaError(newest());
      await pause(100);
      if (hls.all.length > length) reloads.push(ms);
    }
    expect(reloads.length).toBeGreaterThan(3);
    expect(reloads.length).toBeLessThan(9);
    expect(hls.all[0]?.recoveries).toBe(1);
  });
});

describe("a laptop that slept", () => {
  async function sleepWhile(act: (of: FakeHls) => void): Promise<FakeHls> {
    const first = await open();
    playlist(first, 1, 10);
    onAir(8);
    await pause(1_000);
    act(first);
    first.latency = 40;
    first.targetLatency = 5;
    first.liveSyncPosition = 77;
    vi.setSystemTime(Date.now() + 36_000);
    await pause(1_000);
    return first;
  }

  it("jumps to live once the live position is known", async () => {
    const first = await sleepWhile(() => undefined);
    expect(video.currentTime).toBe(0);
    playlist(first, 5, 20);
    expect(video.currentTime).toBe(77);
    video.currentTime = 50; // later, the viewer seeks back
    playlist(first, 6, 21);
    expect(video.currentTime).toBe(50);
  });

  it("keeps its position if it was paused or kept playing", async () => {
    for (const act of [() => (video.paused = true), () => (video.currentTime = 36)]) {
      video = new FakeVideo();
      const first = await sleepWhile(act);
      const { currentTime } = video;
      playlist(first, 5, 20);
      expect(video.currentTime).toBe(currentTime);
    }
  });
});

describe("starting", () => {
  it("happens once, even if signaling reports on air during the probe", async () => {
    let answer: (found: PlaylistState) => void = () => undefined;
    vi.mocked(probePlaylist).mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    await open();
    hls.all = [];
    live.setOnAir(true);
    await pause(100);
    expect(probePlaylist).toHaveBeenCalledOnce();
    answer("live");
    await pause(10_000);
    expect(hls.all).toHaveLength(1);
  });

  it("shows offline if the stream has ended", async () => {
    found = "ended";
    await open();
    expect(states).toEqual(["offline"]);
    found = "live";
    live.setOnAir(true);
    await pause();
    expect(newest().destroyed).toBe(false);
    onAir(8);
    expect(states).toEqual(["offline", "on air"]);
  });

  it("shows offline if signaling says so", async () => {
    await open();
    live.setOnAir(false);
    await pause(1_000);
    expect(states).toEqual(["offline"]);
    expect(live.pictureExpected).toBe(false);
  });
});

describe("a stream's end", () => {
  it("plays out, and a new stream is loaded automatically", async () => {
    const first = await open();
    playlist(first, 1, 10);
    onAir(8);
    found = "ended";
    playlist(first, 1, 11, false);
    expect(live.pictureExpected).toBe(false);
    await pause(8_000);
    expect(states).toEqual(["on air"]);
    video.ahead = 0;
    await pause(3_000);
    expect(states).toEqual(["on air", "offline"]);
    expect(first.destroyed).toBe(false);
    found = "live";
    await pause(3_000);
    expect(first.destroyed).toBe(true);
    expect(hls.all).toHaveLength(2);
    expect(live.pictureExpected).toBe(false);
    onAir(8);
    expect(live.pictureExpected).toBe(true);
  });

  it("is detected by a playlist without any of the previous segments", async () => {
    const first = await open();
    playlist(first, 1, 10);
    playlist(first, 2, 11);
    await pause(10);
    expect(hls.all).toHaveLength(1);
    playlist(first, 12, 13);
    await pause(10);
    expect(hls.all).toHaveLength(2);
    expect(first.destroyed).toBe(true);
  });
});

it("native playback restarts after its end", async () => {
  hls.supported = false;
  await open();
  hls.all = [];
  onAir(5);
  expect(video.sources).toHaveLength(1);
  video.ahead = 0;
  video.ended = true;
  // its retries have become rarer than the checks
  found = "unknown";
  await pause(20_000);
  found = "live";
  await pause(16_000);
  expect(video.sources.length).toBeGreaterThan(1);
});
