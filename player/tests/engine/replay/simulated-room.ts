/** A room of replay viewers whose links are method calls. */

import { vi } from "vitest";

import type { Mesh } from "../../../src/webrtc/mesh";
import type { QueuedPiece } from "../../../src/webrtc/uplink";
import type { ReplayDescriptor } from "../../../src/engine/replay/descriptors";
import { ReplayExchange } from "../../../src/engine/replay/exchange";
import { Stats } from "../../../src/engine/stats";
import { StoreClient } from "../../../src/engine/store";
import { encodePiece } from "../../../src/protocol/frames";
import { content, sha256, storeOf, verify } from "../../support";

export const PIECE = 64 * 1024;
export const SIZE = 2 * PIECE + 500;
export const never = new AbortController().signal;

export async function segment(sequence: number): Promise<ReplayDescriptor> {
  const fields = { variant: 0, sequence, size: SIZE, duration: 4, pieceSize: PIECE };
  const url = `https://media.test/vod/a/0/stream-${sequence}.ts`;
  const others = { pieceHashes: [], infohash: null, stored: true };
  return { ...fields, ...others, url, sha256: await sha256(content(SIZE)) };
}

export class SimulatedReplayRoom {
  viewers = new Map<string, ReturnType<SimulatedReplayRoom["add"]>>();
  /** members that do not answer requests */
  unresponsive = new Set<string>();
  /** members that send corrupt pieces */
  corrupt = new Set<string>();
  reported: string[] = [];
  /** the most bytes that a viewer had queued at a time */
  maxQueuedBytes = 0;

  add(
    id: string,
    { bufferedS = 20, uploads = true, linking = false, mayConnect = Promise.resolve() } = {},
    store = storeOf(content(SIZE)),
  ) {
    const stats = new Stats();
    let queued = 0;
    const expelled = new Set<string>();
    const others = (): string[] =>
      [...this.viewers.keys()].filter((other) => other !== id && !expelled.has(other));
    const deliver = (to: string, frame: Uint8Array<ArrayBuffer>): void => {
      setTimeout(() => this.viewers.get(to)?.exchange.frame(id, frame.buffer), 5);
    };
    const mesh = {
      uploads,
      get linked() {
        return others();
      },
      isOpen: (other: string) => others().includes(other),
      send: deliver,
      sendPiece: (to: string, { descriptor, index, bytes, isStillWanted }: QueuedPiece) => {
        if (this.unresponsive.has(id)) return;
        queued += bytes.byteLength;
        this.maxQueuedBytes = Math.max(this.maxQueuedBytes, queued);
        setTimeout(() => {
          queued -= bytes.byteLength;
          if (!isStillWanted()) return;
          const sent = this.corrupt.has(id) ? bytes.map((byte) => byte ^ 1) : bytes;
          const { variant, sequence } = descriptor;
          for (const frame of encodePiece(variant, sequence, index, sent)) deliver(to, frame);
          stats.uploaded(bytes.byteLength);
        }, 20);
      },
      expel: (other: string) => {
        expelled.add(other);
      },
    };
    const player = { bufferedS };
    const exchange = new ReplayExchange({
      store: new StoreClient({ fetch: store.fetch, now: () => Date.now() }),
      ...{ stats, verify, mesh: mesh as unknown as Mesh },
      now: () => Date.now(),
      you: () => id,
      mayConnect,
      isLinking: () => linking,
      bufferedS: () => player.bufferedS,
      onBadPiece: (from) => this.reported.push(from),
    });
    const viewer = { id, exchange, stats, store, player, expelled };
    this.viewers.set(id, viewer);
    for (const one of this.viewers.values()) {
      if (one === viewer) continue;
      one.exchange.linkOpened(id);
      exchange.linkOpened(one.id);
    }
    return viewer;
  }
}

/** WebCrypto takes real time, whatever the fake clock says. */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  const waiting = new Set([promise]);
  const end = (): void => {
    waiting.clear();
  };
  promise.then(end, end);
  while (waiting.size > 0) {
    await vi.advanceTimersByTimeAsync(10);
    await sha256(new Uint8Array(1));
  }
  return promise;
}
export const pass = (ms: number) => settled(new Promise((resolve) => setTimeout(resolve, ms)));
