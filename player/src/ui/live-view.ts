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
import type { Hindrance, NoUpload } from "./sharing-mode";
import { Renditions } from "../hls/renditions";
import type { Totals, WishOptions, Wishes } from "./engine-host";
import { Switch, isSame, sharingAs, sum, totalsOf, wishesOf } from "./engine-host";

export interface PlayerOptions extends WishOptions {
  video: HTMLVideoElement;
  onState: (state: StationState) => void;
}

/** The page's figures, and what is said of sharing. */
export interface PlayerSnapshot extends Snapshot {
  /** null: it shares */
  hindrance: Hindrance | null;
  /** null: it sends to others, if it shares */
  no_upload: NoUpload | null;
  dropped_frames: number;
}

export class StationPlayer {
  readonly live: LivePlayer;
  #o: PlayerOptions;
  #engine: Engine;
  #wishes: Wishes;
  /** what the engines before this one counted */
  #past: Totals | null = null;
  #switch = new Switch();
  #closed = new AbortController();
  #firstPictureMs: number | null = null;

  constructor(options: PlayerOptions) {
    this.#o = options;
    const { video, config, preferences } = options;
    this.#wishes = wishesOf(this.#o);
    this.#engine = this.#newEngine();
    this.#switch.to(this.#engine);
    const renditions = new Renditions();
    // media-chrome's quality menu looks for it there
    Object.defineProperty(video, "videoRenditions", { value: renditions, configurable: true });
    this.live = new LivePlayer({
      video,
      playlist: config.playlist,
      fragmentLoader: fragmentLoader(this.#switch),
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
    const look = (): void => {
      this.#look();
    };
    preferences.addEventListener("change", look, { signal });
    connection()?.addEventListener("change", look, { signal });
  }

  /** Open links to other viewers. */
  get peers(): number {
    return this.#engine.peers;
  }
  /** Whether the store does not answer this viewer. */
  get storeFailing(): boolean {
    return this.#engine.storeFailing;
  }

  stats(): PlayerSnapshot {
    const { video, config } = this.#o;
    const counted = totalsOf(this.#engine.stats);
    const totals = this.#past ? sum(this.#past, counted) : counted;
    return {
      ...snapshot(this.#engine, this.live, video, config.playlist, this.#firstPictureMs, totals),
      hindrance: this.#wishes.hindrance,
      no_upload: this.#wishes.noUpload,
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
  #look(): void {
    const wishes = wishesOf(this.#o);
    if (isSame(wishes, this.#wishes)) return;
    this.#wishes = wishes;
    const before = this.#engine;
    const engine = this.#newEngine();
    const counted = totalsOf(before.stats);
    this.#past = this.#past ? sum(this.#past, counted) : counted;
    this.#engine = engine;
    this.#switch.to(engine);
    before.close();
  }

  #newEngine(): Engine {
    const { config, video } = this.#o;
    return new Engine({
      ...sharingAs(this.#wishes, this.#o),
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
