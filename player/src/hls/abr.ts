/** hls.js's choice of rendition, made by the engine's measurements (`abrController`). */

import Hls, { Events } from "hls.js";
import type { FragLoadingData, HlsConfig, LevelSwitchingData } from "hls.js";
import type { Network } from "../engine/engine";
import type { Missing } from "../engine/demand";

const CHECK_INTERVAL_MS = 250;

/** What the controller asks. */
export interface AbrOptions {
  network: () => Network;
  /** seconds of video ahead of the playhead */
  bufferedS: () => number;
  /** told of a rendition's playlist: the next segment will be taken from there */
  onNextVariant: (url: string) => void;
}

/** Returns the class that hls.js makes its controller of. */
export function engineAbrController(source: AbrOptions): HlsConfig["abrController"] {
  const { network, bufferedS, onNextVariant } = source;
  return class extends Hls.DefaultConfig.abrController {
    #changedAt = -Infinity;
    #timer: ReturnType<typeof setInterval> | undefined;

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
      clearInterval(this.#timer);
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
      clearInterval(this.#timer);
      if (frag.sn === "initSegment") return;
      this.#timer = setInterval(() => {
        const { stats, level } = frag;
        if (stats.aborted || stats.loaded > 0) clearInterval(this.#timer);
        else
          this.#checkProgress(level, () => {
            frag.abortRequests();
            this.hls.trigger(Events.FRAG_LOAD_EMERGENCY_ABORTED, { frag, part: null, stats });
          });
      }, CHECK_INTERVAL_MS);
    }

    /** Takes a lower rendition for the next fragment, or at once where this one is hopeless. */
    #checkProgress(level: number, abort: () => void): void {
      const { hls } = this;
      const { bps, missing } = network();
      if (!hls.autoLevelEnabled || hls.media?.paused !== false || bps === null) return;
      const next = this.#choose(level, bps, Infinity);
      const url = hls.levels[next]?.url[0];
      if (next < level && url) onNextVariant(url);
      const lower = this.#choose(level, bps, 0);
      const { maxBitrate = 0 } = hls.levels[lower] ?? {};
      if (lower >= level) return;
      const lowerBytes = (maxBitrate / 8) * (hls.latestLevelDetails?.targetduration ?? 0);
      if (!isHopeless({ missing, lowerBytes, bps, bufferedS: bufferedS() })) return;
      clearInterval(this.#timer);
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

/** What the link must carry of a rendition's rate to go up to it, to go down to it, to stay. */
const UP_FACTOR = 1.5;
const DOWN_FACTOR = 1.2;
const STAY_FACTOR = 1.1;
/** A room shares a rendition: who changes every moment is of use to nobody. */
const MIN_DWELL_S = 30;
/** What the room has not brought in time lately, it will not bring in a higher rate. */
const LATE_HOLD_S = 15;
/** A segment on its way must be here so long before the picture stops. */
const MARGIN_S = 2;
/** With less than so many segments to play the picture is more important than the room. */
const SHORT_SEGMENTS = 1.5;

export interface LevelInputs {
  /** seconds, monotonic */
  now: number;
  /** bit/s of each rendition, ascending */
  rates: readonly number[];
  /** index of the rendition that is played */
  current: number;
  /** when that was changed last, s; -Infinity: never */
  changedAt: number;
  /** what the link carries, bit/s */
  bps: number;
  /** seconds of video ahead of the playhead */
  bufferedS: number;
  /** a segment's duration */
  segmentS: number;
  /** when pieces had to be fetched because peers were late, s; -Infinity: never */
  lateAt: number;
}

/** Returns the index of the rendition to play. */
export function chooseLevel(inputs: LevelInputs): number {
  const { now, rates, current, changedAt, bps, bufferedS, segmentS, lateAt } = inputs;
  const settled = now - changedAt >= MIN_DWELL_S;
  const rate = rates[current] ?? 0;
  if (rate * STAY_FACTOR > bps) {
    const short = bufferedS < SHORT_SEGMENTS * segmentS;
    return settled || short ? Math.min(current, highestWithin(rates, bps / DOWN_FACTOR)) : current;
  }
  if (!settled || now - lateAt < LATE_HOLD_S) return current;
  return Math.max(current, highestWithin(rates, bps / UP_FACTOR));
}

/** A segment on its way. */
export interface PendingSegment {
  /** what is missing of it, and how much of that peers bring, who have sent it already */
  missing: Missing;
  /** how large it is in a lower rendition, bytes */
  lowerBytes: number;
  bps: number;
  bufferedS: number;
}

/**
 * Whether to give up a segment and take it in a lower rendition: the picture would stop before it is
 * here, or soon after, and the other one would be here sooner, behind what peers have sent.
 */
export function isHopeless({ missing, lowerBytes, bps, bufferedS }: PendingSegment): boolean {
  if ((8 * missing.all) / bps <= bufferedS - MARGIN_S) return false;
  return missing.expected + lowerBytes < missing.all;
}

function highestWithin(rates: readonly number[], limit: number): number {
  return Math.max(
    0,
    rates.findLastIndex((rate) => rate <= limit),
  );
}
