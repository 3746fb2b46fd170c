/** The live picture: hls.js on a <video>, started when the station is on air and kept running. */

import Hls, { ErrorTypes, Events } from "hls.js";
import type { ErrorData, FragmentLoaderConstructor, LevelDetails } from "hls.js";

import type { Network } from "../engine/engine";
import { engineAbrController } from "./abr";
import { bufferAheadS, hlsConfig } from "./config";
import { RateController, setTargetLatency } from "./latency";
import { probePlaylist } from "./playlist-probe";
import { PlaylistRefresh } from "./playlist-refresh";
import { MAX_CATCH_UP_S, MediaErrorPolicy, SleepDetector } from "./watchdog";

/** How often to ask an offline station for its playlist. */
const PROBE_INTERVAL_MS = 3_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;
/** A picture frozen for this long although new segments arrived is started again. */
const MAX_FROZEN_MS = 12_000;
const CHECK_INTERVAL_MS = 1_000;

export type StationState = "connecting" | "on air" | "offline";

export interface LivePlayerOptions {
  video: HTMLVideoElement;
  playlist: URL;
  fragmentLoader: FragmentLoaderConstructor;
  /** what the engine has measured */
  network: () => Network;
  /** called with the URL of the media playlist that the next segment will come from */
  onNextVariant: (url: string) => void;
  onState: (state: StationState) => void;
  /** called with each new instance of hls.js */
  onHls: (hls: Hls) => void;
}

export class LivePlayer {
  #options: LivePlayerOptions;
  #hls: Hls | null = null;
  #state: StationState = "connecting";
  /** whether a stream is being published, as signaling last reported */
  #onAir = true;
  /** whether a playlist is loaded, by hls.js or by the browser itself */
  #loaded = false;
  /** whether that playlist has EXT-X-ENDLIST: what follows is in a new one */
  #playlistEnded = false;
  #probing = false;
  #reloads = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #mediaErrors = new MediaErrorPolicy();
  #sleepDetector = new SleepDetector(Date.now());
  #lastPosition = 0;
  #movedAt = performance.now();
  #newestAt = -Infinity;
  #newestSequence = -1;
  #pausedAt: number | null = null;
  #checkTimer: ReturnType<typeof setInterval>;
  #closed = new AbortController();
  #rateController: RateController;
  #refresh: PlaylistRefresh | null = null;

  constructor(options: LivePlayerOptions) {
    this.#options = options;
    const { video } = options;
    const { signal } = this.#closed;
    this.#rateController = new RateController(video, signal);
    const onPause = (): void => {
      this.#pausedAt ??= performance.now();
    };
    const onPlaying = (): void => {
      this.#pausedAt = null;
      this.#reloads = 0;
      this.#setState("on air");
    };
    video.addEventListener("pause", onPause, { signal });
    video.addEventListener("playing", onPlaying, { signal });
    this.#checkTimer = setInterval(() => {
      this.#checkPicture();
    }, CHECK_INTERVAL_MS);
    void this.#probe();
  }

  /** Whether there should be a picture, as far as the page knows. */
  get pictureExpected(): boolean {
    return this.#onAir && !this.#playlistEnded && this.#state !== "offline";
  }

  /** Seconds behind live; null while unknown. */
  get latencyS(): number | null {
    const latency = this.#hls?.latency ?? 0;
    return latency > 0 ? latency : null;
  }
  /** Target latency, seconds behind live; null while unknown. */
  get targetLatencyS(): number | null {
    return this.#hls?.targetLatency ?? null;
  }

  /** Seconds of video buffered ahead of the playback position. */
  get bufferedS(): number {
    return bufferAheadS(this.#options.video);
  }

  /** Signaling reports that the station went on air or offline. */
  setOnAir(onAir: boolean): void {
    this.#onAir = onAir;
    if (!onAir) return;
    // the end of the previous stream may still be playing
    if (!this.#loaded || this.#hasFinished()) this.#probeIn(this.bufferedS * 1000);
  }

  /** Signaling announced a segment of the variant being played. */
  onPublished(sequence: number): void {
    this.#refresh?.onPublished(sequence);
  }

  /** Seconds since the viewer paused; 0 while playing and before the first picture. */
  get pausedS(): number {
    return this.#pausedAt === null ? 0 : (performance.now() - this.#pausedAt) / 1000;
  }

  /** Stops for good: the player is removed from its page. */
  close(): void {
    this.#closed.abort();
    clearInterval(this.#checkTimer);
    this.#stop();
  }

  /** Position of live on the video's timeline, seconds; null while unknown. */
  get livePositionS(): number | null {
    return this.#hls?.liveSyncPosition ?? null;
  }

  goToLive(): void {
    const position = this.livePositionS;
    if (position !== null) this.#options.video.currentTime = position;
    this.#options.video.play().catch(() => undefined);
  }

  /** Latency minus target latency, seconds; -Infinity while unknown. */
  get #excessLatencyS(): number {
    return (this.latencyS ?? 0) - (this.targetLatencyS ?? Infinity);
  }

  async #probe(): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    const found = await probePlaylist(this.#options.playlist);
    this.#probing = false;
    if (this.#closed.signal.aborted) return;
    if (found === "live") {
      this.#start();
    } else if (found === "unknown") {
      this.#probeIn(this.#backoffMs());
    } else {
      if (this.bufferedS < 1) this.#setState("offline");
      this.#probeIn(PROBE_INTERVAL_MS);
    }
  }

  #probeIn(delayMs: number): void {
    this.#schedule(delayMs, () => void this.#probe());
  }

  /** Schedules the next step; there is only one. */
  #schedule(delayMs: number, step: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      step();
    }, delayMs);
  }

  #backoffMs(): number {
    const delay = Math.min(MAX_RELOAD_MS, FIRST_RELOAD_MS * 2 ** this.#reloads);
    this.#reloads += 1;
    return delay;
  }

  #start(): void {
    this.#stop();
    this.#loaded = true;
    this.#movedAt = performance.now();
    const { video, playlist, fragmentLoader, network, onHls, onNextVariant } = this.#options;
    if (!Hls.isSupported()) {
      video.src = playlist.href;
      return;
    }
    const abrOptions = { network, bufferedS: () => this.bufferedS, onNextVariant };
    const hls = (this.#hls = new Hls(hlsConfig(fragmentLoader, engineAbrController(abrOptions))));
    this.#refresh = new PlaylistRefresh(hls);
    onHls(hls);
    hls.on(Events.ERROR, (_, data) => {
      if (data.fatal) this.#recover(hls, data);
    });
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      this.#onPlaylist(details);
    });
    hls.on(Events.FRAG_BUFFERED, () => {
      this.#reloads = 0;
    });
    hls.on(Events.MANIFEST_PARSED, () => {
      // refused where the viewer must click first
      video.play().catch(() => undefined);
    });
    hls.loadSource(playlist.href);
    hls.attachMedia(video);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refresh?.close();
    this.#refresh = null;
    this.#hls?.destroy();
    this.#hls = null;
    this.#loaded = false;
    this.#playlistEnded = false;
    this.#newestSequence = -1;
  }

  #onPlaylist({ startSN, endSN, live }: LevelDetails): void {
    if (this.#newestSequence !== -1 && startSN > this.#newestSequence) {
      // nothing in common with the last playlist: a new stream started in between
      this.#schedule(0, () => {
        this.#start();
      });
      return;
    }
    if (endSN > this.#newestSequence) {
      this.#newestAt = performance.now();
      // only now is the live position known
      if (this.#sleepDetector.takeSlept() && this.#excessLatencyS > MAX_CATCH_UP_S) this.goToLive();
    }
    this.#newestSequence = Math.max(this.#newestSequence, endSN);
    if (live || this.#playlistEnded) return;
    this.#playlistEnded = true;
    this.#probeIn(Math.max(PROBE_INTERVAL_MS, this.bufferedS * 1000));
  }

  #recover(hls: Hls, { type }: ErrorData): void {
    if (type === ErrorTypes.MEDIA_ERROR) {
      const delayMs = this.#mediaErrors.onError(performance.now());
      if (delayMs === null) hls.recoverMediaError();
      else this.#reload(delayMs);
    } else if (type === ErrorTypes.NETWORK_ERROR && this.bufferedS > 0) {
      // the buffer plays on meanwhile
      this.#schedule(Math.min(this.#backoffMs(), this.bufferedS * 1000), () => {
        if (this.bufferedS > 0) hls.startLoad();
        else this.#reload(0);
      });
    } else {
      this.#reload(this.#backoffMs());
    }
  }

  #reload(delayMs: number): void {
    this.#stop();
    this.#probeIn(delayMs);
  }

  /** Whether the loaded playlist has ended; native playback ends with it. */
  #hasFinished(): boolean {
    const { video } = this.#options;
    const native = this.#loaded && !this.#hls;
    return this.#playlistEnded || (native && (video.ended || video.error !== null));
  }

  /** Runs every second: adjusts latency and rate, and restarts a frozen picture. */
  #checkPicture(): void {
    const { video } = this.#options;
    if (this.#hls) setTargetLatency(this.#hls, this.#options.network().completionMs);
    this.#sleepDetector.check(Date.now(), video.currentTime, video.paused);
    video.playbackRate = this.#rateController.rate(
      this.#excessLatencyS,
      this.bufferedS,
      video.playbackRate,
    );
    const now = performance.now();
    const moved = video.currentTime !== this.#lastPosition;
    this.#lastPosition = video.currentTime;
    if (moved || (video.paused && video.readyState > video.HAVE_CURRENT_DATA)) {
      this.#movedAt = now;
      return;
    }
    const unexplained =
      this.#state === "on air" && now - Math.max(this.#newestAt, this.#movedAt) > MAX_FROZEN_MS;
    if ((!this.#onAir || this.#playlistEnded || unexplained) && this.bufferedS < 1)
      this.#setState("offline");
    // without new segments a restart would only repeat the last ones
    const hasNewSegments = this.#newestAt > this.#movedAt + MAX_FROZEN_MS / 2;
    if (this.#hls && hasNewSegments && now - this.#movedAt > MAX_FROZEN_MS) this.#start();
    const idle = this.#timer === undefined && !this.#probing;
    if (idle && this.#hasFinished()) this.#probeIn(this.#backoffMs());
  }

  #setState(state: StationState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
