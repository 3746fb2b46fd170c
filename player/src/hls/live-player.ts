/** The live picture: hls.js on a <video>, started when the station is on air, and kept going. */

import Hls, { ErrorTypes, Events } from "hls.js";
import type { ErrorData, FragmentLoaderConstructor, LevelDetails } from "hls.js";

import type { Network } from "../engine/engine";
import { levelController } from "./abr";
import { aheadS, hlsConfig } from "./config";
import { LiveRate, setDelay } from "./latency";
import { probe } from "./playlist-probe";
import { Refresh } from "./playlist-refresh";
import { JUMP_AT_S, MediaErrors, Sleep } from "./watchdog";

/** How often an offline station is asked for its playlist. */
const PROBE_INTERVAL_MS = 3_000;
const FIRST_RELOAD_MS = 1_000;
const MAX_RELOAD_MS = 15_000;
/** A picture that stood still for so long, though new segments came, is started again. */
const STUCK_MS = 12_000;
const WATCH_INTERVAL_MS = 1_000;

export type OnAir = "connecting" | "on air" | "offline";

export interface LiveOptions {
  video: HTMLVideoElement;
  playlist: URL;
  fragmentLoader: FragmentLoaderConstructor;
  /** what the network does for this viewer */
  network: () => Network;
  /** told of the playlist that the next segment will be taken from */
  onIntended: (url: string) => void;
  onState: (state: OnAir) => void;
  /** a new instance of hls.js begins */
  onHls: (hls: Hls) => void;
}

export class Live {
  #o: LiveOptions;
  #hls: Hls | null = null;
  #state: OnAir = "connecting";
  /** what signaling said last: whether a stream is on air */
  #announced = true;
  /** whether a playlist is loaded, by hls.js or by the browser itself */
  #loaded = false;
  /** whether that playlist is closed: what comes next is in a new one */
  #ended = false;
  #probing = false;
  #reloads = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #mediaErrors = new MediaErrors();
  #sleep = new Sleep(Date.now());
  #lastPosition = 0;
  #movedAt = performance.now();
  #newestAt = -Infinity;
  #newest = -1;
  #pausedAt: number | null = null;
  #watcher: ReturnType<typeof setInterval>;
  #closed = new AbortController();
  #liveRate: LiveRate;
  #refresh: Refresh | null = null;

  constructor(options: LiveOptions) {
    this.#o = options;
    const { video } = options;
    const { signal } = this.#closed;
    this.#liveRate = new LiveRate(video, signal);
    const onPause = (): void => {
      this.#pausedAt ??= performance.now();
    };
    const onPlaying = (): void => {
      this.#pausedAt = null;
      this.#reloads = 0;
      this.#enter("on air");
    };
    video.addEventListener("pause", onPause, { signal });
    video.addEventListener("playing", onPlaying, { signal });
    this.#watcher = setInterval(() => {
      this.#watch();
    }, WATCH_INTERVAL_MS);
    void this.#probe();
  }

  /** Whether there should be a picture, as far as this page knows. */
  get expected(): boolean {
    return this.#announced && !this.#ended && this.#state !== "offline";
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
    return aheadS(this.#o.video);
  }

  /** Signaling says that a stream went on air, or off. */
  announce(live: boolean): void {
    this.#announced = live;
    if (!live) return;
    // the end of the stream before may still be playing
    if (!this.#loaded || this.#isOver()) this.#probeIn(this.bufferedS * 1000);
  }

  /** Signaling announces a segment of the rendition that is played. */
  published(sequence: number): void {
    this.#refresh?.announced(sequence);
  }

  /** Seconds since the viewer paused; 0 while it plays, and before it did. */
  get pausedS(): number {
    return this.#pausedAt === null ? 0 : (performance.now() - this.#pausedAt) / 1000;
  }

  /** Stop for good: the player is taken out of its page. */
  close(): void {
    this.#closed.abort();
    clearInterval(this.#watcher);
    this.#stop();
  }

  /** Where a viewer that is live is on the video's timeline, seconds; null while unknown. */
  get livePositionS(): number | null {
    return this.#hls?.liveSyncPosition ?? null;
  }

  goToLive(): void {
    const position = this.livePositionS;
    if (position !== null) this.#o.video.currentTime = position;
    this.#o.video.play().catch(() => undefined);
  }

  /** Seconds farther behind live than this page would be by itself. */
  get #lateS(): number {
    return (this.latencyS ?? 0) - (this.targetLatencyS ?? Infinity);
  }

  async #probe(): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    const found = await probe(this.#o.playlist);
    this.#probing = false;
    if (this.#closed.signal.aborted) return;
    if (found === "live") {
      this.#start();
    } else if (found === "unknown") {
      this.#probeIn(this.#backoffMs());
    } else {
      if (this.bufferedS < 1) this.#enter("offline");
      this.#probeIn(PROBE_INTERVAL_MS);
    }
  }

  #probeIn(delayMs: number): void {
    this.#later(delayMs, () => void this.#probe());
  }

  /** The one thing to do next. */
  #later(delayMs: number, step: () => void): void {
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
    const { video, playlist, fragmentLoader, network, onHls, onIntended } = this.#o;
    if (!Hls.isSupported()) {
      video.src = playlist.href;
      return;
    }
    const levels = { network, bufferedS: () => this.bufferedS, onIntended };
    const hls = (this.#hls = new Hls(hlsConfig(fragmentLoader, levelController(levels))));
    this.#refresh = new Refresh(hls);
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
    this.#ended = false;
    this.#newest = -1;
  }

  #onPlaylist({ startSN, endSN, live }: LevelDetails): void {
    if (this.#newest !== -1 && startSN > this.#newest) {
      // nothing of what was there before: a new stream began while nobody looked
      this.#later(0, () => {
        this.#start();
      });
      return;
    }
    if (endSN > this.#newest) {
      this.#newestAt = performance.now();
      // now it is known where live is
      if (this.#sleep.takeSlept() && this.#lateS > JUMP_AT_S) this.goToLive();
    }
    this.#newest = Math.max(this.#newest, endSN);
    if (live || this.#ended) return;
    this.#ended = true;
    this.#probeIn(Math.max(PROBE_INTERVAL_MS, this.bufferedS * 1000));
  }

  #recover(hls: Hls, { type }: ErrorData): void {
    if (type === ErrorTypes.MEDIA_ERROR) {
      const delayMs = this.#mediaErrors.add(performance.now());
      if (delayMs === null) hls.recoverMediaError();
      else this.#reload(delayMs);
    } else if (type === ErrorTypes.NETWORK_ERROR && this.bufferedS > 0) {
      // the picture goes on meanwhile
      this.#later(Math.min(this.#backoffMs(), this.bufferedS * 1000), () => {
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

  /** Whether what is loaded has come to its end; native playback ends with its playlist. */
  #isOver(): boolean {
    const { video } = this.#o;
    const native = this.#loaded && !this.#hls;
    return this.#ended || (native && (video.ended || video.error !== null));
  }

  /** Looks whether the picture moves. */
  #watch(): void {
    const { video } = this.#o;
    if (this.#hls) setDelay(this.#hls, this.#o.network().completionMs);
    this.#sleep.look(Date.now(), video.currentTime, video.paused);
    video.playbackRate = this.#liveRate.rate(this.#lateS, this.bufferedS, video.playbackRate);
    const now = performance.now();
    const moved = video.currentTime !== this.#lastPosition;
    this.#lastPosition = video.currentTime;
    if (moved || (video.paused && video.readyState > video.HAVE_CURRENT_DATA)) {
      this.#movedAt = now;
      return;
    }
    const unexplained =
      this.#state === "on air" && now - Math.max(this.#newestAt, this.#movedAt) > STUCK_MS;
    if ((!this.#announced || this.#ended || unexplained) && this.bufferedS < 1)
      this.#enter("offline");
    // while nothing new is published, starting again would only repeat the last segments
    const news = this.#newestAt > this.#movedAt + STUCK_MS / 2;
    if (this.#hls && news && now - this.#movedAt > STUCK_MS) this.#start();
    const idle = this.#timer === undefined && !this.#probing;
    if (idle && this.#isOver()) this.#probeIn(this.#backoffMs());
  }

  #enter(state: OnAir): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#o.onState(state);
  }
}
