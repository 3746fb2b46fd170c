/** Adaptive bitrate: which variant to play, and hls.js's `abrController` that plays it. */

import Hls, { Events } from "hls.js";
import type { FragLoadingData, HlsConfig, LevelSwitchingData } from "hls.js";
import type { Network } from "../engine/engine";
import type { Missing } from "../engine/player-requests";

const CHECK_INTERVAL_MS = 250;

/** What the controller asks of the player. */
export interface AbrOptions {
  network: () => Network;
  /** seconds of video ahead of the playhead */
  bufferedS: () => number;
  /** called with the URL of the media playlist that the next segment will come from */
  onNextVariant: (url: string) => void;
}

/** Returns the controller class for hls.js: it decides by what the engine has measured. */
export function engineAbrController(options: AbrOptions): HlsConfig["abrController"] {
  const { network, bufferedS, onNextVariant } = options;
  return class extends Hls.DefaultConfig.abrController {
    #changedAt = -Infinity;
    #timer: ReturnType<typeof setInterval> | undefined;

    /** The next fragment's level; hls.js itself chooses the first ones and forced ones. */
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

    /** hls.js would mistake waiting for peers for a slow connection, so this replaces its check. */
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

    /**
     * Picks a lower level for the next fragment, or at once if this fragment cannot arrive in time.
     */
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

/**
 * Required bandwidth, in multiples of a variant's rate: to switch up to it, down to it, to stay.
 */
const UP_FACTOR = 1.5;
const DOWN_FACTOR = 1.2;
const STAY_FACTOR = 1.1;
/** Room members share within a variant, so one that switches all the time helps nobody. */
const MIN_DWELL_S = 30;
/** No switch up for this long after the room was late: a higher rate would be later still. */
const LATE_HOLD_S = 15;
/** A pending segment must arrive this long before the buffer runs out. */
const MARGIN_S = 2;
/** Below this many buffered segments, avoiding a stall matters more than staying in the room. */
const SHORT_SEGMENTS = 1.5;

export interface LevelInputs {
  /** seconds, monotonic */
  now: number;
  /** bit/s of each level, ascending */
  rates: readonly number[];
  /** index of the level being played */
  current: number;
  /** when the level last changed, s; -Infinity: never */
  changedAt: number;
  /** estimated bandwidth, bit/s */
  bps: number;
  /** seconds of video ahead of the playhead */
  bufferedS: number;
  /** duration of a segment */
  segmentS: number;
  /** when late peers last made the player fetch pieces itself, s; -Infinity: never */
  lateAt: number;
}

/**
 * Returns the index of the level to play: one that the connection carries with headroom, changed
 * rarely. Pure.
 */
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

/** A segment being loaded. */
export interface PendingSegment {
  /** bytes still missing, and how many of those peers have already sent */
  missing: Missing;
  /** its size in the lower variant, bytes */
  lowerBytes: number;
  bps: number;
  bufferedS: number;
}

/**
 * Returns whether to abandon a segment for a lower variant: the picture would stop before it is
 * complete, or soon after, and the lower one would be here sooner, even queued behind what peers
 * have already sent.
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
