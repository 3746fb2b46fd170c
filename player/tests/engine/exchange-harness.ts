/** An exchange with a mesh that records calls, and a clock that tests advance. */

import { vi } from "vitest";
import type { Mesh } from "../../src/webrtc/mesh";
import { Exchange } from "../../src/engine/exchange";
import type { QueuedPiece } from "../../src/webrtc/uplink";
import type { TorrentSeedClient } from "../../src/engine/torrent-seed";
import type { Descriptor } from "../../src/protocol/messages";
import type { PlannedSlice } from "../../src/room/room";
import { Stats } from "../../src/engine/stats";
import { StoreClient } from "../../src/engine/store";
import { encodePiece } from "../../src/protocol/frames";
import type { StoreDouble } from "../support";
import { PIECE_BYTES, published, storeOf, verify } from "../support";

export const SIZE = 4 * PIECE_BYTES;
export const SLICES: PlannedSlice[] = [
  { first: 0, end: 2, owner: "me", successors: ["peer"], pushedBy: "me", relayTo: [] },
  { first: 2, end: 4, owner: "peer", successors: ["other"], pushedBy: "peer", relayTo: [] },
];
export const OWN_RANGE = `bytes=0-${2 * PIECE_BYTES - 1}`;
export const PEERS_RANGE = `bytes=${2 * PIECE_BYTES}-${4 * PIECE_BYTES - 1}`;
export const never = (): AbortSignal => new AbortController().signal;

/** The exchange's inputs, and what it did. */
export const t = {
  bytes: new Uint8Array(0),
  segment: undefined as unknown as Descriptor,
  clock: 0,
  buffered: 0,
  paused: 0,
  /** when the links opened; null: there are none */
  linkedAt: null as number | null,
  /** pieces sent to "peer" */
  pushedToPeer: [] as number[],
  expelled: [] as string[],
  members: [] as string[],
  pushed: [] as [string, number][],
  /** for each push, whether its receiver still wants it */
  stillWanted: [] as (() => boolean)[],
  frames: [] as [string, Uint8Array<ArrayBuffer>][],
  reported: [] as string[],
  /** the client of the torrent seed, if there is one */
  seedClient: null as TorrentSeedClient | null,
};

/** Reset everything, with fake timers. */
export async function reset(): Promise<void> {
  vi.useFakeTimers({ toFake: ["setInterval", "setTimeout", "clearInterval", "clearTimeout"] });
  const { descriptor: segment, bytes } = await published(7, SIZE);
  Object.assign(t, {
    segment,
    bytes,
    clock: 1_000,
    buffered: 8,
    paused: 0,
    linkedAt: 0,
    members: ["peer"],
  });
  Object.assign(t, {
    pushedToPeer: [],
    expelled: [],
    pushed: [],
    stillWanted: [],
    frames: [],
    reported: [],
  });
  t.seedClient = null;
}

export function exchange(store: StoreDouble = storeOf(t.bytes)) {
  const stats = new Stats();
  const mesh = {
    uploads: true,
    get size() {
      return t.linkedAt === null ? 0 : 1;
    },
    openedAt: () => t.linkedAt,
    get linked(): string[] {
      return t.linkedAt === null ? [] : t.members;
    },
    playing: () => (t.linkedAt === null ? [] : t.members),
    sendPiece: (id: string, { index, isStillWanted }: QueuedPiece) => {
      if (id === "peer") t.pushedToPeer.push(index);
      t.stillWanted.push(isStillWanted);
      t.pushed.push([id, index]);
    },
    send: (id: string, frame: Uint8Array<ArrayBuffer>) => t.frames.push([id, frame]),
    expel: (id: string) => t.expelled.push(id),
  } as unknown as Mesh;
  const it = new Exchange({
    store: new StoreClient({ fetch: store.fetch, now: () => t.clock }),
    seedClient: t.seedClient,
    stats,
    verify,
    mesh,
    now: () => t.clock,
    you: () => "me",
    variant: () => 0,
    onBadPiece: (from) => t.reported.push(from),
    bufferedS: () => t.buffered,
    pausedS: () => t.paused,
    sharing: () => t.linkedAt !== null,
  });
  return { it, stats, store };
}
export function deliverFromPeer(it: Exchange, indices: number[], data = t.bytes): void {
  for (const index of indices) {
    const piece = data.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
    for (const frame of encodePiece(0, t.segment.sequence, index, piece))
      it.frame("peer", frame.buffer);
  }
}
/** Hashing runs in other threads, so wait for its result. */
export const until = (check: () => void) => vi.waitFor(check, { interval: 1 });
/** Advance timers and the engine's clock. */
export async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    t.clock += 100;
    await vi.advanceTimersByTimeAsync(100);
  }
}
