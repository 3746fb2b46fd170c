/** Segment torrents with webtorrent: downloads selected pieces, uploads nothing. */

import type { Descriptor } from "../protocol/messages";

/**
 * Prefix of our peer ids, by which viewers recognize each other: they have nothing to exchange in a
 * torrent.
 */
const PEER_ID_PREFIX = "-SV0001-";
const PEER_ID_BYTES = 20;
/** Offers in one announce. The tracker forwards one to the seed and one to another peer. */
const OFFERS_PER_ANNOUNCE = 2;

/** A connection to one peer of a torrent. */
export interface Wire {
  /** hex */
  peerId: string;
  /** lets the peer request pieces */
  unchoke: () => void;
  destroy: () => void;
}
/** webtorrent's Torrent. */
export interface WebTorrentTorrent {
  length: number;
  pieceLength: number;
  destroyed: boolean;
  on: ((event: "wire", listener: (wire: Wire) => void) => void) &
    ((event: "ready" | "close", listener: () => void) => void) &
    ((event: "error", listener: (error: Error) => void) => void);
  select: (first: number, last: number) => void;
  deselect: (first: number, last: number) => void;
  destroy: () => void;
}
type Done = (error: Error | null) => void;
/** webtorrent's piece storage (an abstract-chunk-store). */
type ChunkStore = new () => {
  put: (index: number, bytes: Uint8Array<ArrayBuffer>, done: Done) => void;
  get: (index: number, options: unknown, done: Done) => void;
  close: (done: Done) => void;
  destroy: (done: Done) => void;
};
interface AddOptions {
  store: ChunkStore;
  storeCacheSlots: number;
  deselect: boolean;
}
/** webtorrent's client. */
export interface WebTorrentClient {
  add: (magnet: string, options: AddOptions) => WebTorrentTorrent;
  on: (event: "error", listener: (error: Error) => void) => void;
  destroy: () => void;
}
export type WebTorrentConstructor = new (options: object) => WebTorrentClient;

/** Returns a client that finds peers only through our tracker and connects only by WebRTC. */
export function openClient(
  WebTorrent: WebTorrentConstructor,
  iceServers: RTCIceServer[],
): WebTorrentClient {
  const client = new WebTorrent({
    peerId: ownPeerId(),
    dht: false,
    lsd: false,
    utPex: false,
    natUpnp: false,
    natPmp: false,
    webSeeds: false,
    tracker: {
      rtcConfig: { iceServers },
      getAnnounceOpts: () => ({ numwant: OFFERS_PER_ANNOUNCE }),
    },
  });
  // after a fatal error, the client's torrents bring nothing more; their user notices that
  client.on("error", () => undefined);
  return client;
}

export interface TorrentEvents {
  /** a piece arrived, selected or not, and has the torrent's hash */
  onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void;
  /** nothing more will arrive; not called after `close()` */
  onLost: (error: Error) => void;
}

/** The torrent of one segment. */
export class SegmentTorrent {
  #torrent: WebTorrentTorrent;
  #wanted = new Set<number>();
  #ready = false;
  #closed = false;

  /** @param tracker the WebTorrent tracker */
  constructor(
    client: WebTorrentClient,
    tracker: URL,
    { infohash, size, pieceSize }: Descriptor,
    { onPiece, onLost }: TorrentEvents,
  ) {
    const magnet = `magnet:?xt=urn:btih:${infohash ?? ""}&tr=${encodeURIComponent(tracker.href)}`;
    this.#torrent = client.add(magnet, {
      store: forwardingStore((index, bytes) => {
        this.#wanted.delete(index);
        onPiece(index, bytes);
      }),
      storeCacheSlots: 0,
      deselect: true,
    });
    const lose = (error: Error): void => {
      if (this.#closed) return;
      this.close();
      onLost(error);
    };
    this.#torrent.on("wire", (wire) => {
      if (wire.peerId.startsWith(hex(PEER_ID_PREFIX))) wire.destroy();
      // webtorrent unchokes every interested peer, but our pieces are for the room, not for the
      // torrent
      wire.unchoke = () => undefined;
    });
    this.#torrent.on("ready", () => {
      if (this.#torrent.length !== size || this.#torrent.pieceLength !== pieceSize) {
        lose(new Error(`torrent ${infohash ?? ""}: its pieces do not match the segment`));
        return;
      }
      this.#ready = true;
      for (const index of this.#wanted) this.#torrent.select(index, index);
    });
    this.#torrent.on("error", lose);
    this.#torrent.on("close", () => {
      lose(new Error(`torrent ${infohash ?? ""}: closed by webtorrent`));
    });
  }

  select(index: number): void {
    if (this.#wanted.has(index) || this.#closed) return;
    this.#wanted.add(index);
    if (this.#ready) this.#torrent.select(index, index);
  }

  deselect(index: number): void {
    if (this.#wanted.delete(index) && this.#ready && !this.#closed)
      this.#torrent.deselect(index, index);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#torrent.destroyed) this.#torrent.destroy();
  }
}

/** A chunk store that passes pieces on and keeps none, so that there is nothing to upload. */
function forwardingStore(
  onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void,
): ChunkStore {
  return class {
    put(index: number, bytes: Uint8Array<ArrayBuffer>, done: Done): void {
      onPiece(index, bytes);
      queueMicrotask(() => {
        done(null);
      });
    }
    get(_index: number, _options: unknown, done: Done): void {
      queueMicrotask(() => {
        done(new Error("this chunk store keeps no pieces"));
      });
    }
    close(done: Done): void {
      done(null);
    }
    destroy(done: Done): void {
      done(null);
    }
  };
}

function ownPeerId(): string {
  const random = crypto.getRandomValues(new Uint8Array(PEER_ID_BYTES - PEER_ID_PREFIX.length));
  return hex(PEER_ID_PREFIX) + Array.from(random, byteHex).join("");
}
function hex(text: string): string {
  return Array.from(new TextEncoder().encode(text), byteHex).join("");
}
function byteHex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
