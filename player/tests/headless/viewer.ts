/**
 * A viewer without a browser: the real engine, and a player that only keeps time and hashes its
 * input.
 */

import { M3U8Parser, PlaylistLevelType } from "hls.js";
import { Engine } from "../../src/engine/engine";
import type { Platform } from "../../src/engine/options";
import type { StationConfig } from "../../src/station/config";
import { fetchConfig } from "../../src/station/config";
import type { Snapshot } from "../../src/ui/snapshot";
import type { ListedSegment, Playlist } from "./playback";
import { Playback } from "./playback";

const UPDATE_MS = 100;
const RETRY_MS = 500;
/**
 * As on the page (src/pages/watch.ts): links are made after the first picture, or after this time.
 */
const MAX_FIRST_PICTURE_MS = 2_500;

export interface HeadlessOptions {
  platform: Platform & { subtle: SubtleCrypto };
  /** URL of the watch page */
  page: URL;
  /** `/ws/room` of another signaling process; null: that of the page */
  room: URL | null;
  log: (line: string) => void;
}

/** The page's stats, and what the player received. */
export interface HeadlessSnapshot extends Snapshot {
  /** SHA-256 (hex) of each segment that the player received */
  fed: string[];
}

export interface HeadlessViewer {
  stats: () => HeadlessSnapshot;
}

/** Wait until a station answers, and watch it as long as the process lives. */
export async function watch(options: HeadlessOptions): Promise<HeadlessViewer> {
  const { platform, page, room, log } = options;
  const { now, subtle } = platform;
  const config = await loadConfig(page, log);
  const playback = new Playback(now);
  const never = new AbortController().signal;
  const fed: string[] = [];
  let published = new AbortController();
  let firstPictureMs: number | null = null;
  let allowConnecting = (): void => undefined;
  const mayConnect = new Promise<void>((resolve) => {
    allowConnecting = resolve;
    setTimeout(resolve, MAX_FIRST_PICTURE_MS);
  });
  let loading = false;

  const engine = new Engine({
    platform,
    player: {
      bufferedS: () => playback.bufferedS,
      latencyS: () => playback.latencyS,
      pausedS: () => 0,
      playing: () => playback.playing,
    },
    room: room ?? config.room,
    joinToken: config.joinToken,
    renewJoinToken: async (signal) => (await fetchConfig(page, signal)).joinToken,
    segments: config.segments,
    iceServers: config.iceServers,
    upload: true,
    mayConnect,
    onPublished: () => {
      // like the page: src/hls/playlist-refresh.ts
      published.abort();
    },
    onStream: () => undefined,
    onOutdated: () => undefined,
    log,
  });

  async function feed({ url, sequence }: ListedSegment): Promise<void> {
    const { data } = await engine.fragment(url, sequence, never);
    fed.push(hex(await subtle.digest("SHA-256", data)));
  }
  async function loadSegments(): Promise<void> {
    if (loading) return;
    loading = true;
    for (let next = playback.next(); next; next = playback.next()) {
      try {
        if (!next.gap) await feed(next);
        playback.loaded(next);
        if (!playback.playing) continue;
        firstPictureMs ??= Math.round(now());
        allowConnecting();
      } catch (error) {
        log(`segment ${next.sequence}: ${String(error)}`);
        await wait(RETRY_MS);
      }
    }
    loading = false;
  }
  async function loadPlaylists(): Promise<void> {
    for (;;) {
      const startedAt = now();
      let intervalMs = RETRY_MS;
      try {
        const playlist = await fetchPlaylist(platform.fetch, config.playlist);
        const changed = playback.update(playlist);
        // RFC 8216 6.3.4, and hls.js: after the newest segment's duration, or half the target
        // duration
        const waitS = changed ? newestDurationS(playlist) : playlist.targetDurationS / 2;
        intervalMs = waitS * 1000 - (now() - startedAt);
      } catch (error) {
        log(`playlist: ${String(error)}`);
      }
      void loadSegments();
      published = new AbortController();
      await wait(intervalMs, published.signal);
    }
  }

  setInterval(() => {
    const before = playback.stalls;
    playback.measured(engine.network.completionMs);
    playback.tick();
    if (playback.stalls > before) engine.stats.stalled();
    // the buffer may have room again
    void loadSegments();
  }, UPDATE_MS);
  void loadPlaylists();

  return {
    stats: () => ({
      ...engine.membership,
      peers: engine.peers,
      ...structuredClone(engine.stats.total),
      share: engine.stats.share,
      latency_s: playback.latencyS,
      first_picture_ms: firstPictureMs,
      completion_ms: engine.stats.completionMs,
      segments: { ...engine.stats.segments },
      playlist: config.playlist.href,
      playing: playback.playing,
      position_s: playback.positionS,
      buffer_s: playback.bufferedS,
      fed: [...fed],
    }),
  };
}

/** Fetch /config.json, retrying until it succeeds. */
async function loadConfig(page: URL, log: (line: string) => void): Promise<StationConfig> {
  for (;;) {
    try {
      return await fetchConfig(page);
    } catch (error) {
      log(`/config.json: ${String(error)}`);
    }
    await wait(RETRY_MS);
  }
}

async function fetchPlaylist(get: typeof fetch, url: URL): Promise<Playlist> {
  const response = await get(url);
  if (!response.ok) throw new Error(`${url.href}: ${response.status}`);
  const text = await response.text();
  const type = PlaylistLevelType.MAIN;
  const details = M3U8Parser.parseLevelPlaylist(text, url.href, 0, type, 0, null);
  return {
    targetDurationS: details.targetduration,
    segments: details.fragments.map((fragment) => ({
      sequence: fragment.sn,
      url: fragment.url,
      durationS: fragment.duration,
      gap: fragment.gap === true,
    })),
  };
}

function newestDurationS({ segments, targetDurationS }: Playlist): number {
  return Math.min(segments.at(-1)?.durationS ?? targetDurationS, targetDurationS);
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
