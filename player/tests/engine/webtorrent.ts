/** A fake webtorrent: its torrents become ready, deliver pieces and fail when a test says so. */

import type { Wire, WebTorrentConstructor } from "../../src/engine/webtorrent";

interface Store {
  put: (index: number, bytes: Uint8Array<ArrayBuffer>, done: (error: unknown) => void) => void;
  get: (index: number, options: unknown, done: (error: unknown) => void) => void;
}
interface Options {
  store: new () => Store;
  deselect: boolean;
}

export class FakeTorrent {
  length = 0;
  pieceLength = 0;
  destroyed = false;
  selected = new Set<number>();
  readonly store: Store;
  #listeners = new Map<string, (given: unknown) => void>();

  constructor(
    readonly magnet: string,
    readonly options: Options,
  ) {
    this.store = new options.store();
  }

  on(event: string, listener: (given: unknown) => void): void {
    this.#listeners.set(event, listener);
  }
  emit(event: string, given?: unknown): void {
    this.#listeners.get(event)?.(given);
  }
  select(first: number, last: number): void {
    for (let index = first; index <= last; index += 1) this.selected.add(index);
  }
  deselect(first: number, last: number): void {
    for (let index = first; index <= last; index += 1) this.selected.delete(index);
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }

  /** The metadata arrived. */
  ready(length: number, pieceLength: number): void {
    Object.assign(this, { length, pieceLength });
    this.emit("ready");
  }
  /** A verified piece arrived. */
  bring(index: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.store.put(index, bytes, () => undefined);
  }
  /** Connect to a peer with this id (text). */
  connect(peerId: string): Wire & { unchoked: boolean; destroyed: boolean } {
    const wire = {
      peerId: Array.from(peerId, (c) => c.charCodeAt(0).toString(16)).join(""),
      unchoked: false,
      destroyed: false,
      unchoke: () => {
        wire.unchoked = true;
      },
      destroy: () => {
        wire.destroyed = true;
      },
    };
    this.emit("wire", wire);
    return wire;
  }
}

export class FakeWebTorrent {
  static all: FakeWebTorrent[] = [];
  torrents: FakeTorrent[] = [];
  destroyed = false;

  constructor(readonly options: Record<string, unknown>) {
    FakeWebTorrent.all.push(this);
  }
  add(magnet: string, options: Options): FakeTorrent {
    const torrent = new FakeTorrent(magnet, options);
    this.torrents.push(torrent);
    return torrent;
  }
  on(): void {
    // the fake client itself never fails
  }
  destroy(): void {
    this.destroyed = true;
  }
}

export const fakeWebTorrent = FakeWebTorrent as unknown as WebTorrentConstructor;
