/** The live picture: hls.js on a <video>, started when the station is on air, and kept going. */

import Hls, { ErrorTypes, Events } from "hls.js";
import type { ErrorData, FragmentLoaderConstructor, HlsConfig } from "hls.js";

import { catchUpRate } from "./catchup";

/** How often an offline station is asked for its playlist. */
const PROBE_INTERVAL_MS = 3_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;
/** A picture that stood still for so long, though new segments came, is started again. */
const STUCK_MS = 12_000;
const WATCH_INTERVAL_MS = 1_000;
/** Two media errors within this time: the decoder will not recover by itself. */
const MEDIA_RECOVERY_MS = 5_000;

export type OnAir = "connecting" | "on air" | "offline";

export interface LiveOptions {
  video: HTMLVideoElement;
  playlist: URL;
  fragmentLoader: FragmentLoaderConstructor;
  onState: (state: OnAir) => void;
}

/** hls.js as this station needs it. */
export function hlsConfig(fLoader: FragmentLoaderConstructor): Partial<HlsConfig> {
  return {
    fLoader,
    // a worker would take the engine's buffers away
    enableWorker: false,
    lowLatencyMode: false,
    liveSyncDurationCount: 2,
    // seekable over the whole window
    liveDurationInfinity: true,
    maxBufferLength: 20,
    maxMaxBufferLength: 30,
    backBufferLength: 30,
  };
}

export class Live {
  #o: LiveOptions;
  #hls: Hls | null = null;
  #state: OnAir = "connecting";
  /** what signaling said last: whether a stream is on air */
  #announced = true;
  #reloads = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #mediaErrorAt = -Infinity;
  #lastPosition = 0;
  #movedAt = performance.now();
  #newestAt = -Infinity;
  #newest = -1;

  constructor(options: LiveOptions) {
    this.#o = options;
    const { video } = options;
    video.addEventListener("playing", () => {
      this.#reloads = 0;
      this.#enter("on air");
    });
    setInterval(() => {
      this.#watch();
    }, WATCH_INTERVAL_MS);
    void this.#probe();
  }

  /** Whether there should be a picture, as far as signaling knows. */
  get expected(): boolean {
    return this.#announced;
  }

  /** Seconds behind live; null while unknown. */
  get latencyS(): number | null {
    const latency = this.#hls?.latency ?? 0;
    return latency > 0 ? latency : null;
  }
  /** How far behind live this page plays by itself; null while unknown. */
  get targetLatencyS(): number | null {
    return this.#hls?.targetLatency ?? null;
  }

  /** Seconds of video ahead of the playhead; 0 when there is nothing to play. */
  get bufferedS(): number {
    const { buffered, currentTime } = this.#o.video;
    for (let i = 0; i < buffered.length; i += 1)
      if (buffered.start(i) <= currentTime && currentTime < buffered.end(i))
        return buffered.end(i) - currentTime;
    return 0;
  }

  /** Signaling says that a stream went on air, or off. */
  announce(live: boolean): void {
    this.#announced = live;
    if (live && !this.#hls) this.#again(0);
  }

  goToLive(): void {
    const position = this.#hls?.liveSyncPosition;
    if (typeof position === "number") this.#o.video.currentTime = position;
    play(this.#o.video);
  }

  async #probe(): Promise<void> {
    const { playlist } = this.#o;
    try {
      const { status, ok } = await fetch(playlist, { cache: "no-store" });
      if (ok) this.#start();
      else if (status === 404) this.#offline();
      else this.#again(this.#backoffMs());
    } catch {
      this.#again(this.#backoffMs());
    }
  }

  #offline(): void {
    this.#enter("offline");
    this.#again(PROBE_INTERVAL_MS);
  }

  #again(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.#probe();
    }, delayMs);
  }

  #backoffMs(): number {
    const delay = Math.min(MAX_RELOAD_MS, FIRST_RELOAD_MS * 2 ** this.#reloads);
    this.#reloads += 1;
    return delay;
  }

  #start(): void {
    this.#stop();
    this.#movedAt = performance.now();
    const { video, playlist, fragmentLoader } = this.#o;
    if (!Hls.isSupported()) {
      video.src = playlist.href;
      return;
    }
    const hls = new Hls(hlsConfig(fragmentLoader));
    this.#hls = hls;
    hls.on(Events.ERROR, (_, data) => {
      if (data.fatal) this.#recover(hls, data);
    });
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      if (details.endSN > this.#newest) this.#newestAt = performance.now();
      this.#newest = details.endSN;
    });
    hls.on(Events.MANIFEST_PARSED, () => {
      play(video);
    });
    hls.loadSource(playlist.href);
    hls.attachMedia(video);
  }

  #stop(): void {
    this.#hls?.destroy();
    this.#hls = null;
    this.#newest = -1;
  }

  #recover(hls: Hls, { type }: ErrorData): void {
    const now = performance.now();
    if (type === ErrorTypes.MEDIA_ERROR && now - this.#mediaErrorAt > MEDIA_RECOVERY_MS) {
      this.#mediaErrorAt = now;
      hls.recoverMediaError();
      return;
    }
    this.#stop();
    this.#again(this.#backoffMs());
  }

  /** Looks whether the picture moves. */
  #watch(): void {
    const { video } = this.#o;
    const lateS = (this.latencyS ?? 0) - (this.targetLatencyS ?? Infinity);
    video.playbackRate = catchUpRate(lateS, this.bufferedS, video.playbackRate);
    const now = performance.now();
    const moved = video.currentTime !== this.#lastPosition;
    this.#lastPosition = video.currentTime;
    if (moved || (video.paused && video.readyState > video.HAVE_CURRENT_DATA)) {
      this.#movedAt = now;
      return;
    }
    const silent = !this.#announced || now - Math.max(this.#newestAt, this.#movedAt) > STUCK_MS;
    if (silent && this.#state === "on air" && this.bufferedS < 1) this.#enter("offline");
    // while nothing new is published, starting again would only repeat the last segments
    const news = this.#newestAt > this.#movedAt + STUCK_MS / 2;
    if (this.#hls && news && now - this.#movedAt > STUCK_MS) this.#start();
    // native playback ends with its playlist
    if (!this.#hls && (video.ended || video.error)) this.#again(this.#backoffMs());
  }

  #enter(state: OnAir): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#o.onState(state);
  }
}

/** A browser may refuse to play before the viewer did something: then the play button waits. */
function play(video: HTMLVideoElement): void {
  video.play().catch(() => undefined);
}
