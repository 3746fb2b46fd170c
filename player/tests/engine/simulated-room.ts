/** A room in virtual time: real exchanges; network and store are only delays. */

import { vi } from "vitest";
import type { Mesh } from "../../src/webrtc/mesh";
import { Exchange } from "../../src/engine/exchange";
import type { QueuedPiece } from "../../src/webrtc/uplink";
import type { PieceRange, PlanMember } from "../../src/protocol/plan";
import { plan } from "../../src/protocol/plan";
import type { Descriptor, MemberId } from "../../src/protocol/messages";
import { Stats } from "../../src/engine/stats";
import type { StoreClient, StoreRequest } from "../../src/engine/store";
import { encodePiece } from "../../src/protocol/frames";
import { descriptor } from "../support";

export const SEGMENT_MS = 4_000;
const STEP_MS = 50;
const PIECES = 8;
const STORE_PIECE_MS = 20;
/** Latency at the first announcement. */
const DELAY_MS = 7_000;

/** The faults of one member; all zero: none. */
export interface Faults {
  /** when it vanishes without closing its links, ms; 0: never */
  goneAt: number;
  /** how long that goes unnoticed, ms */
  unnoticedMs: number;
  /** extra delay of its pieces, ms */
  slowMs: number;
  /** its clock skew, per mille */
  skew: number;
  /** how late it sees a playlist, ms */
  pollMs: number;
}

/** One viewer: its exchange, and a player that requests one segment after the other. */
class SimulatedViewer {
  readonly stats = new Stats();
  readonly exchange: Exchange;
  /** when the player's buffer runs out, ms */
  bufferEndsAt = DELAY_MS;
  stalled = 0;
  played = 0;
  #asked = new Map<number, number>();

  constructor(
    readonly id: MemberId,
    readonly faults: Faults,
    private readonly room: SimulatedRoom,
  ) {
    const mesh = {
      uploads: true,
      get size() {
        return room.linkedTo(id).length;
      },
      get linked() {
        return room.linkedTo(id);
      },
      openedAt: (other: MemberId) => (room.linkedTo(id).includes(other) ? -1 : null),
      playing: () => room.linkedTo(id),
      sendPiece: (to: MemberId, piece: QueuedPiece) => {
        room.push(this, to, piece);
      },
      send: (to: MemberId, frame: Uint8Array<ArrayBuffer>) => {
        room.deliver(this, to, frame, 5);
      },
      expel: () => undefined,
    };
    this.exchange = new Exchange({
      store: room.store as unknown as StoreClient,
      seedClient: null,
      stats: this.stats,
      verify: () => Promise.resolve(true),
      mesh: mesh as unknown as Mesh,
      now: () => room.now * (1 + faults.skew / 1_000),
      you: () => id,
      variant: () => 0,
      onBadPiece: () => undefined,
      bufferedS: () => Math.max(0, this.bufferEndsAt - room.now) / 1_000,
      pausedS: () => 0,
      sharing: () => true,
    });
  }

  get alive(): boolean {
    const { goneAt } = this.faults;
    return goneAt === 0 || this.room.now < goneAt;
  }

  /** Let the player request the segments in its playlist. */
  step(): void {
    if (!this.alive) return;
    for (const { segment, at } of this.room.published) {
      const due = at + this.faults.pollMs;
      if (this.room.now < due || this.#asked.has(segment.sequence)) continue;
      this.#asked.set(segment.sequence, this.room.now);
      void this.exchange.want(segment, new AbortController().signal).then(() => {
        if (this.room.now > this.bufferEndsAt) this.stalled += 1;
        this.bufferEndsAt = Math.max(this.bufferEndsAt, this.room.now) + SEGMENT_MS;
        this.played += 1;
      });
    }
  }
}

export class SimulatedRoom {
  now = 0;
  readonly viewers: SimulatedViewer[];
  readonly published: { segment: Descriptor; at: number }[] = [];
  /** how often the store delivered each piece, by segment */
  readonly fetched = new Map<number, number[]>();
  readonly store = {
    estimateS: (bytes: number) => 0.1 + (STORE_PIECE_MS * bytes) / 16_384 / 1_000,
    quietAfterMs: 1_000,
    readPieces: (
      segment: Descriptor,
      range: PieceRange,
      onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void,
      request: StoreRequest,
    ) => this.#read(segment, range, onPiece, request),
  };

  constructor(faults: Faults[]) {
    this.viewers = faults.map((each, number) => new SimulatedViewer(`m${number}`, each, this));
  }

  linkedTo(id: MemberId): MemberId[] {
    return this.viewers
      .filter((viewer) => viewer.id !== id && this.#isHere(viewer))
      .map((viewer) => viewer.id);
  }

  /** Deliver a frame after a delay if both members are still there then. */
  deliver(from: SimulatedViewer, to: MemberId, frame: Uint8Array<ArrayBuffer>, ms: number): void {
    const data = frame.slice().buffer;
    setTimeout(() => {
      const receiver = this.viewers.find(({ id }) => id === to);
      if (receiver?.alive && from.alive) receiver.exchange.frame(from.id, data);
    }, ms);
  }

  push(
    from: SimulatedViewer,
    to: MemberId,
    { descriptor: segment, index, bytes, isStillWanted }: QueuedPiece,
  ): void {
    setTimeout(() => {
      if (!isStillWanted()) return;
      for (const frame of encodePiece(0, segment.sequence, index, bytes))
        this.deliver(from, to, frame, 10);
    }, from.faults.slowMs);
  }

  /** Publish this many segments, one every four seconds, and let everybody play them. */
  async run(segments: number): Promise<void> {
    const end = segments * SEGMENT_MS + DELAY_MS;
    const noticed = new Set<MemberId>();
    for (; this.now < end; this.now += STEP_MS) {
      if (this.now % SEGMENT_MS === 0 && this.published.length < segments) this.#publish();
      for (const viewer of this.viewers) {
        if (!this.#isHere(viewer) && !noticed.has(viewer.id)) {
          noticed.add(viewer.id);
          for (const other of this.viewers) if (other.alive) other.exchange.linkLost(viewer.id);
        }
        viewer.step();
      }
      await vi.advanceTimersByTimeAsync(STEP_MS);
    }
    for (const { exchange } of this.viewers) exchange.close();
  }

  /** Whether the others take this member to be there. */
  #isHere({ faults: { goneAt, unnoticedMs } }: SimulatedViewer): boolean {
    return goneAt === 0 || this.now < goneAt + unnoticedMs;
  }

  #publish(): void {
    const segment = descriptor(this.published.length + 1, PIECES * 16_384);
    this.published.push({ segment, at: this.now });
    this.fetched.set(segment.sequence, Array<number>(PIECES).fill(0));
    const ready = this.viewers
      .filter((viewer) => this.#isHere(viewer))
      .map(({ id }): PlanMember => ({ id, weight: 4, unreachable: [] }));
    const slices = plan(ready, segment.sequence, segment.size, segment.pieceSize).map((slice) => ({
      ...slice,
      pushedBy: slice.owner,
      relayTo: [],
    }));
    for (const viewer of this.viewers)
      if (viewer.alive) viewer.exchange.announced(segment, slices, true);
  }

  async #read(
    { sequence, size, pieceSize }: Descriptor,
    { first, end }: PieceRange,
    onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void,
    { onBytes }: StoreRequest,
  ): Promise<void> {
    for (let index = first; index < end; index += 1) {
      const counts = this.fetched.get(sequence);
      if (counts) counts[index] = (counts[index] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, STORE_PIECE_MS));
      const bytes = new Uint8Array(Math.min(pieceSize, size - index * pieceSize));
      onBytes(bytes.byteLength);
      onPiece(index, bytes);
    }
  }
}
