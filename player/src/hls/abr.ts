/** hls.js's choice of rendition, made by the engine's measurements (`abrController`). */

import Hls, { Events } from "hls.js";
import type { FragLoadingData, HlsConfig, LevelSwitchingData } from "hls.js";

import type { Network } from "../engine/engine";
import { chooseLevel, isHopeless } from "./levels";

const WATCH_MS = 250;

/** What the controller asks. */
export interface LevelSource {
  network: () => Network;
  /** seconds of video ahead of the playhead */
  bufferedS: () => number;
  /** told of a rendition's playlist: the next segment will be taken from there */
  onIntended: (url: string) => void;
}

/** Returns the class that hls.js makes its controller of. */
export function levelController(source: LevelSource): HlsConfig["abrController"] {
  const { network, bufferedS, onIntended } = source;
  return class extends Hls.DefaultConfig.abrController {
    #changedAt = -Infinity;
    #watch: ReturnType<typeof setInterval> | undefined;

    /** The next fragment's rendition; the first ones, and what was forced, are hls.js's affair. */
    override get nextAutoLevel(): number {
      const current = this.hls.loadLevel;
      const { bps } = network();
      const forced = this.forcedAutoLevel !== -1;
      if (forced || current < 0 || bps === null) return super.nextAutoLevel;
      return this.#choose(current, bps, bufferedS());
    }
    override set nextAutoLevel(level: number) {
      super.nextAutoLevel = level;
    }

    override destroy(): void {
      clearInterval(this.#watch);
      super.destroy();
    }

    protected override onLevelSwitching(
      event: Events.LEVEL_SWITCHING,
      data: LevelSwitchingData,
    ): void {
      super.onLevelSwitching(event, data);
      if (this.hls.latestLevelDetails) this.#changedAt = performance.now();
    }

    /** hls.js would take the wait for peers for a slow link, so this watches in its place. */
    protected override onFragLoading(_: Events.FRAG_LOADING, { frag }: FragLoadingData): void {
      clearInterval(this.#watch);
      if (frag.sn === "initSegment") return;
      this.#watch = setInterval(() => {
        const { stats, level } = frag;
        if (stats.aborted || stats.loaded > 0) clearInterval(this.#watch);
        else
          this.#look(level, () => {
            frag.abortRequests();
            this.hls.trigger(Events.FRAG_LOAD_EMERGENCY_ABORTED, { frag, part: null, stats });
          });
      }, WATCH_MS);
    }

    /** Takes a lower rendition for the next fragment, or at once where this one is hopeless. */
    #look(level: number, abort: () => void): void {
      const { hls } = this;
      const { bps, missing } = network();
      if (!hls.autoLevelEnabled || hls.media?.paused !== false || bps === null) return;
      const next = this.#choose(level, bps, Infinity);
      const url = hls.levels[next]?.url[0];
      if (next < level && url) onIntended(url);
      const lower = this.#choose(level, bps, 0);
      const { maxBitrate = 0 } = hls.levels[lower] ?? {};
      if (lower >= level) return;
      const lowerBytes = (maxBitrate / 8) * (hls.latestLevelDetails?.targetduration ?? 0);
      if (!isHopeless({ missing, lowerBytes, bps, bufferedS: bufferedS() })) return;
      clearInterval(this.#watch);
      this.nextAutoLevel = lower;
      abort();
    }

    #choose(current: number, bps: number, buffered: number): number {
      const { levels, minAutoLevel, maxAutoLevel, latestLevelDetails } = this.hls;
      const chosen = chooseLevel({
        now: performance.now() / 1000,
        rates: levels.map(({ maxBitrate }) => maxBitrate),
        current,
        changedAt: this.#changedAt / 1000,
        bps,
        bufferedS: buffered,
        segmentS: latestLevelDetails?.targetduration ?? 0,
        lateAt: network().lateAt / 1000,
      });
      return Math.min(Math.max(chosen, minAutoLevel), maxAutoLevel);
    }
  };
}
