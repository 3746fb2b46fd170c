/** Plays a replay: hls.js, and p2p-media-loader between it and the store. */

import Hls, { ErrorTypes, Events } from "hls.js";
import type { HlsJsP2PEngine } from "p2p-media-loader-hlsjs";

import { Renditions } from "../../player/renditions";
import type { StationConfig } from "../config";
import { Figures } from "../p2pml/figures";
import { coreConfig, p2pmlHlsConfig } from "../p2pml/settings";
import { useTokens } from "../p2pml/sockets";
import { watchStalls } from "../stalls";
import { ReplayHashes } from "./hashes";
import type { Replay } from "./list";

const RETRY_MS = 2_000;
/** Two media errors within this time: the decoder will not recover by itself. */
const MEDIA_RECOVERY_MS = 5_000;

/** What this viewer lets its browser do. */
export interface Wishes {
  /** take from other viewers, and give */
  share: boolean;
  /** give, if it shares */
  upload: boolean;
}

export class Playback {
  readonly figures = new Figures();
  #engine: HlsJsP2PEngine | null = null;
  #wishes: Wishes;
  #mediaErrorAt = -Infinity;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly config: StationConfig,
    private readonly replay: Replay,
    wishes: Wishes,
  ) {
    this.#wishes = wishes;
    watchStalls(
      video,
      () => true,
      () => {
        this.figures.stalls += 1;
      },
    );
    video.addEventListener("loadeddata", () => {
      this.figures.firstPictureMs ??= Math.round(performance.now());
    });
  }

  /** Load the replay; `page` is one of the station. */
  async load(page: URL): Promise<void> {
    if (!Hls.isSupported()) {
      // this browser plays HLS by itself
      this.video.src = this.replay.playlist.href;
      return;
    }
    useTokens(this.config, page);
    // loaded only now: it takes the WebSocket class that it finds
    const { HlsJsP2PEngine } = await import("p2p-media-loader-hlsjs");
    const { tracker, iceServers } = this.config;
    const station = { tracker, iceServers, swarm: this.replay.swarm };
    const engine = new HlsJsP2PEngine({
      core: { ...coreConfig("best", station, this.#hashes()), ...this.#allowed() },
    });
    this.#engine = engine;
    this.figures.watch(engine);
    const hls = new Hls(p2pmlHlsConfig("best", engine.getConfigForHlsJs()));
    engine.bindHls(hls);
    const renditions = new Renditions();
    // media-chrome's quality menu looks for it there
    Object.defineProperty(this.video, "videoRenditions", { value: renditions });
    renditions.follow(hls);
    hls.on(Events.FRAG_LOADED, (_, { frag }) => {
      // then hls.js loads by itself, and the engine hears nothing of it
      if (!this.#wishes.share) this.figures.http += frag.stats.loaded;
    });
    hls.on(Events.ERROR, (_, { fatal, type }) => {
      if (fatal) this.#recover(hls, type);
    });
    hls.loadSource(this.replay.playlist.href);
    hls.attachMedia(this.video);
  }

  /** The viewer has changed its mind. */
  allow(wishes: Wishes): void {
    this.#wishes = wishes;
    this.#engine?.applyDynamicConfig({ core: this.#allowed() });
  }

  #allowed(): { isP2PDisabled: boolean; isP2PUploadDisabled: boolean } {
    const { share, upload } = this.#wishes;
    return { isP2PDisabled: !share, isP2PUploadDisabled: !upload };
  }

  /** Without WebCrypto (no https) nothing that comes from peers can be checked. */
  #hashes(): ReplayHashes | null {
    if (!isSecureContext) return null;
    return new ReplayHashes(this.replay.hashes, fetch.bind(globalThis), crypto.subtle);
  }

  #recover(hls: Hls, type: ErrorTypes): void {
    const now = performance.now();
    if (type === ErrorTypes.MEDIA_ERROR && now - this.#mediaErrorAt > MEDIA_RECOVERY_MS) {
      this.#mediaErrorAt = now;
      hls.recoverMediaError();
      return;
    }
    setTimeout(() => {
      if (hls.levels.length === 0) hls.loadSource(this.replay.playlist.href);
      else hls.startLoad(this.video.currentTime);
    }, RETRY_MS);
  }
}
