/** A station in a <video>: the live picture, the engine behind it, and whether that shares. */

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

/** The page's figures, and what is said of sharing. */
export interface LiveStats extends Snapshot {
  /** null: it shares */
  hindrance: Blocker | null;
  /** null: it sends to others, if it shares */
  no_upload: ReceiveOnlyReason | null;
  dropped_frames: number;
}

export class LiveView {
  readonly live: LivePlayer;
  #options: LiveViewOptions;
  #engine: Engine;
  #mode: SharingMode;
  /** what the engines before this one counted */
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
    // media-chrome's quality menu looks for it there
    Object.defineProperty(video, "videoRenditions", { value: renditions, configurable: true });
    this.live = new LivePlayer({
      video,
      playlist: config.playlist,
      fragmentLoader: fragmentLoader(this.#host),
      network: () => this.#engine.network,
      onNextVariant: (url) => {
        this.#engine.intend(url);
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
  /** Whether the store does not answer this viewer. */
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

  /** Send the figures to signaling: the page may go. */
  report(): void {
    this.#engine.report();
  }

  close(): void {
    this.#closed.abort();
    this.live.close();
    this.#engine.close();
  }

  /** Something that the wishes depend on may have changed. */
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

/** The Network Information API, where there is one. */
function connection(): EventTarget | null {
  const { connection } = navigator as { connection?: EventTarget };
  return connection ?? null;
}
