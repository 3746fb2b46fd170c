/** A station in a <video>: the live picture, and the engine behind it. */

import { Engine } from "../engine/engine";
import type { EngineOptions } from "../engine/options";
import { fragmentLoader } from "../hls/loader";
import type { WebTorrentConstructor } from "../engine/webtorrent";
import type { StationConfig } from "../station/config";
import type { StationState } from "../hls/live-player";
import { LivePlayer } from "../hls/live-player";
import type { Snapshot } from "./snapshot";
import { snapshot } from "./snapshot";
import { watchStalls } from "../hls/watchdog";
import type { Blocker, ReceiveOnlyReason } from "./sharing-mode";
import { Renditions } from "../hls/renditions";
import type { Totals, SharingOptions, SharingMode } from "./engine-host";
import {
  EngineHost,
  isSameMode,
  engineOptions,
  addTotals,
  totalsOf,
  sharingModeOf,
} from "./engine-host";

export interface LiveViewOptions extends SharingOptions {
  video: HTMLVideoElement;
  onState: (state: StationState) => void;
}

/** The page's statistics, with the sharing mode. */
export interface LiveStats extends Snapshot {
  /** why it does not share; null if it does */
  hindrance: Blocker | null;
  /** why it only receives; null if it may send */
  no_upload: ReceiveOnlyReason | null;
  dropped_frames: number;
}

export class LiveView {
  readonly live: LivePlayer;
  #options: LiveViewOptions;
  #engine: Engine;
  #mode: SharingMode;
  /** what previous engines counted */
  #pastTotals: Totals | null = null;
  #host = new EngineHost();
  #closed = new AbortController();
  #firstPictureMs: number | null = null;

  constructor(options: LiveViewOptions) {
    this.#options = options;
    const { video, config, preferences } = options;
    this.#mode = sharingModeOf(this.#options);
    this.#engine = this.#newEngine();
    this.#host.use(this.#engine);
    const renditions = new Renditions();
    // media-chrome's quality menu reads it there
    Object.defineProperty(video, "videoRenditions", { value: renditions, configurable: true });
    this.live = new LivePlayer({
      video,
      playlist: config.playlist,
      fragmentLoader: fragmentLoader(this.#host),
      network: () => this.#engine.network,
      onNextVariant: (url) => {
        this.#engine.willSwitchTo(url);
      },
      onState: options.onState,
      onHls: (hls) => {
        renditions.follow(hls);
      },
    });
    const { signal } = this.#closed;
    video.addEventListener(
      "loadeddata",
      () => {
        this.#firstPictureMs ??= Math.round(performance.now());
      },
      { signal },
    );
    watchStalls(
      video,
      () => this.live.pictureExpected,
      () => {
        this.#engine.stats.stalled();
      },
    );
    const checkMode = (): void => {
      this.#checkMode();
    };
    preferences.addEventListener("change", checkMode, { signal });
    connection()?.addEventListener("change", checkMode, { signal });
  }

  /** Open links to other viewers. */
  get peers(): number {
    return this.#engine.peers;
  }
  /** Whether the store fails for this viewer. */
  get storeFailing(): boolean {
    return this.#engine.storeFailing;
  }

  stats(): LiveStats {
    const { video, config } = this.#options;
    const current = totalsOf(this.#engine.stats);
    const totals = this.#pastTotals ? addTotals(this.#pastTotals, current) : current;
    return {
      ...snapshot(this.#engine, this.live, video, config.playlist, this.#firstPictureMs, totals),
      hindrance: this.#mode.blocker,
      no_upload: this.#mode.receiveOnlyReason,
      dropped_frames: video.getVideoPlaybackQuality().droppedVideoFrames,
    };
  }

  /** Sends the statistics to signaling now: the page may be about to close. */
  report(): void {
    this.#engine.report();
  }

  close(): void {
    this.#closed.abort();
    this.live.close();
    this.#engine.close();
  }

  /** Replaces the engine if the sharing mode has changed. */
  #checkMode(): void {
    const mode = sharingModeOf(this.#options);
    if (isSameMode(mode, this.#mode)) return;
    this.#mode = mode;
    const previous = this.#engine;
    const engine = this.#newEngine();
    const current = totalsOf(previous.stats);
    this.#pastTotals = this.#pastTotals ? addTotals(this.#pastTotals, current) : current;
    this.#engine = engine;
    this.#host.use(engine);
    previous.close();
  }

  #newEngine(): Engine {
    const { config, video } = this.#options;
    return new Engine({
      ...engineOptions(this.#mode, this.#options),
      player: {
        bufferedS: () => this.live.bufferedS,
        latencyS: () => this.live.latencyS,
        pausedS: () => this.live.pausedS,
        playing: () => !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
      },
      segments: config.segments,
      ...seedOf(config),
      onPublished: (sequence) => {
        this.live.onPublished(sequence);
      },
      onStream: (onAir) => {
        this.live.setOnAir(onAir);
      },
    });
  }
}

function seedOf({ seedPolicy, tracker }: StationConfig): Pick<EngineOptions, "seed"> {
  if (!seedPolicy) return {};
  const load = async (): Promise<WebTorrentConstructor> => {
    const library = await import("webtorrent/dist/webtorrent.min.js");
    return library.default as WebTorrentConstructor;
  };
  return { seed: { policy: seedPolicy, tracker, load } };
}

/** Returns the Network Information API's object; null where there is none. */
function connection(): EventTarget | null {
  const { connection } = navigator as { connection?: EventTarget };
  return connection ?? null;
}
