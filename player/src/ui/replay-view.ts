/** A replay in a <video>: hls.js, and the engine that gets segments from viewers and the store. */

import Hls, { ErrorTypes, Events } from "hls.js";

import { fragmentLoader } from "../hls/loader";
import { ReplayEngine } from "../engine/replay/engine";
import type { Blocker } from "./sharing-mode";
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
import { bufferAheadS, hlsConfig } from "../hls/config";
import { watchStalls } from "../hls/watchdog";
import type { Replay } from "../station/replays";

const RETRY_MS = 2_000;
/** Two media errors within this time: the decoder does not recover in place. */
const MEDIA_RECOVERY_MS = 5_000;
/** How far ahead to buffer: the time that other viewers have to deliver a segment. */
const BUFFER_S = 30;

export interface ReplayViewOptions extends SharingOptions {
  video: HTMLVideoElement;
  replay: Replay;
}

export class ReplayView {
  #options: ReplayViewOptions;
  #engine: ReplayEngine;
  #host = new EngineHost();
  #mode: SharingMode;
  /** what previous engines counted */
  #pastTotals: Totals | null = null;
  #mediaErrorAt = -Infinity;
  firstPictureMs: number | null = null;

  constructor(options: ReplayViewOptions) {
    this.#options = options;
    const { video, preferences } = options;
    this.#mode = sharingModeOf(this.#options);
    this.#engine = this.#newEngine();
    this.#host.use(this.#engine);
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
      this.#checkMode();
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
  /** Why this viewer does not share; null if it does. */
  get blocker(): Blocker | null {
    return this.#mode.blocker;
  }
  /** Counters since the page was opened. */
  get totals(): Totals {
    const current = totalsOf(this.#engine.stats);
    return this.#pastTotals ? addTotals(this.#pastTotals, current) : current;
  }

  /** Loads the replay. */
  load(): void {
    const { video, replay } = this.#options;
    if (!Hls.isSupported()) {
      // this browser plays HLS natively
      video.src = replay.playlist.href;
      return;
    }
    const hls = new Hls({
      ...hlsConfig(fragmentLoader(this.#host)),
      maxBufferLength: BUFFER_S,
    });
    const renditions = new Renditions();
    // media-chrome's quality menu reads it there
    Object.defineProperty(video, "videoRenditions", { value: renditions });
    renditions.follow(hls);
    hls.on(Events.ERROR, (_, { fatal, type }) => {
      if (fatal) this.#recover(hls, type);
    });
    hls.loadSource(replay.playlist.href);
    hls.attachMedia(video);
  }

  /** Replaces the engine if the sharing mode has changed. */
  #checkMode(): void {
    const mode = sharingModeOf(this.#options);
    if (isSameMode(mode, this.#mode)) return;
    this.#mode = mode;
    const previous = this.#engine;
    this.#engine = this.#newEngine();
    const current = totalsOf(previous.stats);
    this.#pastTotals = this.#pastTotals ? addTotals(this.#pastTotals, current) : current;
    this.#host.use(this.#engine);
    previous.close();
  }

  #newEngine(): ReplayEngine {
    const { replay, video } = this.#options;
    return new ReplayEngine({
      ...engineOptions(this.#mode, this.#options),
      bufferedS: () => bufferAheadS(video),
      replay: replay.id,
      hashes: replay.hashes,
    });
  }

  #recover(hls: Hls, type: ErrorTypes): void {
    const { video, replay } = this.#options;
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
