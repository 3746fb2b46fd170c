import { describe, expect, it } from "vitest";
import type { ListedSegment, Playlist } from "./playback";
import { Playback } from "./playback";

const SEGMENT_S = 4;

/** A playlist of six segments that ends with `newest`. */
function playlist(newest: number, gaps: readonly number[] = []): Playlist {
  const segments = Array.from({ length: 6 }, (_, k): ListedSegment => {
    const sequence = newest - 5 + k;
    return { sequence, url: `${sequence}.ts`, durationS: SEGMENT_S, gap: gaps.includes(sequence) };
  });
  return { targetDurationS: SEGMENT_S, segments };
}

/** A player, and a clock that only `pass` advances. */
function createPlayback() {
  let nowMs = 0;
  const playback = new Playback(() => nowMs);
  const pass = (seconds: number): void => {
    for (let k = 0; k < seconds * 10; k += 1) {
      nowMs += 100;
      playback.tick();
    }
  };
  const load = (): number | null => {
    const next = playback.next();
    if (next) playback.loaded(next);
    return next?.sequence ?? null;
  };
  return { playback, pass, load };
}

describe("a player without a decoder", () => {
  it("starts two target durations behind the end, and loads from there", () => {
    const { playback, load } = createPlayback();
    expect(playback.next()).toBeNull();
    playback.update(playlist(9));
    expect(playback.latencyS).toBeNull();
    expect([load(), load(), load()]).toEqual([8, 9, null]);
    expect(playback.latencyS).toBe(2 * SEGMENT_S);
    expect(playback.bufferedS).toBe(2 * SEGMENT_S);
  });

  it("plays in real time at the latency it began with", () => {
    const { playback, pass, load } = createPlayback();
    playback.update(playlist(9));
    load();
    load();
    for (let newest = 10; newest < 15; newest += 1) {
      pass(SEGMENT_S);
      expect(playback.update(playlist(newest))).toBe(true);
      expect(load()).toBe(newest);
      expect(playback.latencyS).toBeCloseTo(2 * SEGMENT_S, 6);
    }
    expect(playback.positionS).toBeCloseTo(4 * SEGMENT_S + 5 * SEGMENT_S, 6);
    expect(playback.stalls).toBe(0);
  });

  it("counts a stall when its buffer runs out, and catches up later", () => {
    const { playback, pass, load } = createPlayback();
    playback.update(playlist(9));
    load();
    load();
    pass(10);
    expect([playback.playing, playback.stalls]).toEqual([false, 1]);
    pass(10);
    expect(playback.stalls).toBe(1);
    playback.update(playlist(12));
    load();
    expect(playback.playing).toBe(true);
    load();
    load();
    playback.measured(500);
    expect(playback.latencyS).toBeGreaterThan(2 * SEGMENT_S + 1);
    pass(4);
    expect(playback.positionS).toBeGreaterThan(24 + 4);
  });

  it("recognizes a playlist without news", () => {
    const { playback } = createPlayback();
    expect(playback.update(playlist(9))).toBe(true);
    expect(playback.update(playlist(9))).toBe(false);
  });

  it("skips a gap", () => {
    const { playback, load } = createPlayback();
    playback.update(playlist(9, [8]));
    expect([load(), playback.playing]).toEqual([8, false]);
    expect([load(), playback.playing]).toEqual([9, true]);
    expect(playback.bufferedS).toBe(SEGMENT_S);
  });

  it("rejoins a playlist that has moved on", () => {
    const { playback, pass, load } = createPlayback();
    playback.update(playlist(9));
    load();
    load();
    pass(60);
    playback.update(playlist(24));
    expect([load(), load(), load()]).toEqual([23, 24, null]);
    expect(playback.playing).toBe(true);
  });

  it("loads no more than hls.js would keep", () => {
    const { playback, load } = createPlayback();
    const long = playlist(9);
    playback.update({ ...long, targetDurationS: 12 });
    expect([load(), load(), load(), load(), load()]).toEqual([4, 5, 6, 7, 8]);
    expect(load()).toBeNull();
  });
});
