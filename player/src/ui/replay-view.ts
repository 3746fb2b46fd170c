/** Plays a replay: hls.js, and the engine between it, other viewers and the store. */

import Hls, { ErrorTypes, Events } from "hls.js";

import { fragmentLoader } from "../hls/loader";
import { ReplayEngine } from "../engine/replay/engine";
import type { Hindrance } from "./sharing-mode";
import { Renditions } from "../hls/renditions";
import type { Totals, WishOptions, Wishes } from "./engine-host";
import { Switch, isSame, sharingAs, sum, totalsOf, wishesOf } from "./engine-host";
import { bufferAheadS, hlsConfig } from "../hls/config";
import { watchStalls } from "../hls/watchdog";
import type { Replay } from "../station/replays";

const RETRY_MS = 2_000;
/** Two media errors within this time: the decoder will not recover by itself. */
const MEDIA_RECOVERY_MS = 5_000;
/** Others have so long to bring a segment. */
const BUFFER_S = 30;

export interface PlaybackOptions extends WishOptions {
  video: HTMLVideoElement;
  replay: Replay;
}

export class Playback {
  #o: PlaybackOptions;
  #engine: ReplayEngine;
  #switch = new Switch();
  #wishes: Wishes;
  /** what the engines before this one counted */
  #past: Totals | null = null;
  #mediaErrorAt = -Infinity;
  firstPictureMs: number | null = null;

  constructor(options: PlaybackOptions) {
    this.#o = options;
    const { video, preferences } = options;
    this.#wishes = wishesOf(this.#o);
    this.#engine = this.#newEngine();
    this.#switch.to(this.#engine);
    watchStalls(
      video,
      () => true,
      () => {
        this.#engine.stats.stalled();
      },
    );
    video.addEventListener("loadeddata", () => {
      this.firstPictureMs ??= Math.round(performance.now());
    });
    preferences.addEventListener("change", () => {
      this.#look();
    });
    addEventListener("pagehide", () => {
      this.#engine.report();
    });
  }

  /** Open links to other viewers. */
  get peers(): number {
    return this.#engine.peers;
  }
  get storeFailing(): boolean {
    return this.#engine.storeFailing;
  }
  get membership() {
    return this.#engine.membership;
  }
  /** What keeps this viewer from sharing; null if nothing does. */
  get hindrance(): Hindrance | null {
    return this.#wishes.hindrance;
  }
  /** Since the page was opened. */
  get totals(): Totals {
    const counted = totalsOf(this.#engine.stats);
    return this.#past ? sum(this.#past, counted) : counted;
  }

  /** Load the replay. */
  load(): void {
    const { video, replay } = this.#o;
    if (!Hls.isSupported()) {
      // this browser plays HLS by itself
      video.src = replay.playlist.href;
      return;
    }
    const hls = new Hls({
      ...hlsConfig(fragmentLoader(this.#switch)),
      maxBufferLength: BUFFER_S,
    });
    const renditions = new Renditions();
    // media-chrome's quality menu looks for it there
    Object.defineProperty(video, "videoRenditions", { value: renditions });
    renditions.follow(hls);
    hls.on(Events.ERROR, (_, { fatal, type }) => {
      if (fatal) this.#recover(hls, type);
    });
    hls.loadSource(replay.playlist.href);
    hls.attachMedia(video);
  }

  /** Something that the wishes depend on may have changed. */
  #look(): void {
    const wishes = wishesOf(this.#o);
    if (isSame(wishes, this.#wishes)) return;
    this.#wishes = wishes;
    const before = this.#engine;
    this.#engine = this.#newEngine();
    const counted = totalsOf(before.stats);
    this.#past = this.#past ? sum(this.#past, counted) : counted;
    this.#switch.to(this.#engine);
    before.close();
  }

  #newEngine(): ReplayEngine {
    const { replay, video } = this.#o;
    return new ReplayEngine({
      ...sharingAs(this.#wishes, this.#o),
      bufferedS: () => bufferAheadS(video),
      replay: replay.id,
      hashes: replay.hashes,
    });
  }

  #recover(hls: Hls, type: ErrorTypes): void {
    const { video, replay } = this.#o;
    const now = performance.now();
    if (type === ErrorTypes.MEDIA_ERROR && now - this.#mediaErrorAt > MEDIA_RECOVERY_MS) {
      this.#mediaErrorAt = now;
      hls.recoverMediaError();
      return;
    }
    setTimeout(() => {
      if (hls.levels.length === 0) hls.loadSource(replay.playlist.href);
      else hls.startLoad(video.currentTime);
    }, RETRY_MS);
  }
}
