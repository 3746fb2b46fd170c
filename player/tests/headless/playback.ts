/**
 * The part of hls.js that decides what to load next and where the playhead is, without a decoder.
 * No I/O.
 */

import type { Sequence } from "../../src/protocol/messages";
import { MIN_LATENCY_CHANGE_S, targetLatencyS, playbackRate } from "../../src/hls/latency";

/** As configured for hls.js on the page (src/hls/config.ts). */
const SYNC_DURATIONS = 2;
const MAX_BUFFER_S = 20;

/** One segment of a media playlist. */
export interface ListedSegment {
  sequence: Sequence;
  url: string;
  durationS: number;
  /** EXT-X-GAP: nothing to load */
  gap: boolean;
}

/** The fields of a media playlist that are used. */
export interface Playlist {
  targetDurationS: number;
  segments: readonly ListedSegment[];
}

/** A segment's position on the timeline, which begins with the first playlist; seconds. */
interface PositionedSegment extends ListedSegment {
  startS: number;
}

export class Playback {
  #nowMs: () => number;
  #segments: readonly PositionedSegment[] = [];
  #targetDurationS = 0;
  /** target latency; a player that is farther behind catches up */
  #targetLatencyS = Infinity;
  #advancedAtMs = 0;
  #next: Sequence | null = null;
  /** where to start playing; the playhead stays there until then */
  #positionS: number | null = null;
  #bufferEndS = 0;
  #updatedAtMs = 0;
  #rate = 1;
  #running = false;
  #stalls = 0;

  /** @param nowMs milliseconds, monotonic */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get playing(): boolean {
    return this.#running;
  }
  /** Number of times the buffer ran out; start-up does not count. */
  get stalls(): number {
    return this.#stalls;
  }
  get positionS(): number {
    return this.#positionS ?? 0;
  }
  /** Seconds of video ahead of the playhead; 0 if there is nothing to play. */
  get bufferedS(): number {
    return Math.max(0, this.#bufferEndS - this.positionS);
  }
  /** Latency as hls.js measures it, seconds; null while unknown. */
  get latencyS(): number | null {
    if (this.#positionS === null) return null;
    const ageS = (this.#nowMs() - this.#advancedAtMs) / 1000;
    return this.#edgeS + ageS - this.#positionS;
  }

  /**
   * A playlist was loaded.
   *
   * @returns whether it contains anything new
   */
  update({ targetDurationS, segments }: Playlist): boolean {
    const newest = this.#segments.at(-1)?.sequence ?? -1;
    const last = segments.at(-1);
    if (!last || last.sequence <= newest) return false;
    this.#targetDurationS = targetDurationS;
    this.#advancedAtMs = this.#nowMs();
    const known = new Map(this.#segments.map((segment) => [segment.sequence, segment.startS]));
    let startS = known.get(segments[0]?.sequence ?? -1) ?? this.#edgeS;
    this.#segments = segments.map((segment) => {
      const positioned = { ...segment, startS };
      startS += segment.durationS;
      return positioned;
    });
    return true;
  }

  /** The segment to load now; null if there is none or enough is loaded. */
  next(): ListedSegment | null {
    if (this.bufferedS >= MAX_BUFFER_S) return null;
    if (this.#next === null || this.#next < (this.#segments[0]?.sequence ?? 0)) {
      // at the start, or if the next one has left the playlist meanwhile
      const syncS = this.#edgeS - SYNC_DURATIONS * this.#targetDurationS;
      const at = this.#segments.findLast(({ startS }) => startS <= syncS) ?? this.#segments[0];
      this.#next = at?.sequence ?? null;
    }
    return this.#segments.find((one) => one.sequence === this.#next) ?? null;
  }

  /** A segment was loaded, or a gap skipped. */
  loaded({ sequence }: ListedSegment): void {
    this.tick();
    const loaded = this.#segments.find((one) => one.sequence === sequence);
    this.#next = sequence + 1;
    // it left the playlist while it was being loaded
    if (!loaded) return;
    const { startS, durationS, gap } = loaded;
    if (this.#positionS === null) {
      const syncS = this.#edgeS - SYNC_DURATIONS * this.#targetDurationS;
      this.#positionS = Math.min(Math.max(startS, syncS), startS + durationS);
    } else if (!this.#running && startS > this.#bufferEndS) {
      this.#positionS = startS;
    }
    this.#bufferEndS = startS + durationS;
    if (gap && !this.#running) this.#positionS = this.#bufferEndS;
    else this.#running = true;
  }

  /** The room completes nine of ten segments within this time, ms; null: unknown. */
  measured(completionMs: number | null): void {
    const latencyS = targetLatencyS(this.#targetDurationS, completionMs);
    const changed = Math.abs(latencyS - this.#targetLatencyS) >= MIN_LATENCY_CHANGE_S;
    if (this.#targetDurationS > 0 && changed) this.#targetLatencyS = latencyS;
  }

  /** Update to the current time; to be called several times a second. */
  tick(): void {
    const now = this.#nowMs();
    const passedS = ((now - this.#updatedAtMs) / 1000) * this.#rate;
    this.#updatedAtMs = now;
    if (!this.#running || this.#positionS === null) return;
    this.#positionS = Math.min(this.#positionS + passedS, this.#bufferEndS);
    if (this.bufferedS === 0) {
      this.#running = false;
      this.#stalls += 1;
    }
    const excessLatencyS = (this.latencyS ?? 0) - this.#targetLatencyS;
    this.#rate = playbackRate(excessLatencyS, this.bufferedS, this.#rate);
  }

  /** Where the newest segment ends. */
  get #edgeS(): number {
    const last = this.#segments.at(-1);
    return last ? last.startS + last.durationS : 0;
  }
}
