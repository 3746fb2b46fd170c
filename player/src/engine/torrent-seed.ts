/** The station's torrent seed as a source of pieces: what viewers have while the store fails. */

import { ExpectedTime, SourceHealth } from "./source-health";
import type { Descriptor } from "../protocol/messages";
import type { WebTorrentClient, WebTorrentConstructor } from "./webtorrent";
import { SegmentTorrent, openClient } from "./webtorrent";

/** Torrents at a time: a few segments are of interest, the one asked for first is given up first. */
const MAX_TORRENTS = 4;
/** A torrent that brings nothing for this long is given up. */
const IDLE_TIMEOUT_MS = 8_000;
/** Where the store works, this share of a segment's duration is the most that the seed may take. */
const MAX_ASSIST_SEGMENTS = 0.4;

/** When viewers turn to the seed: while the store fails, or first. */
export type SeedPolicy = "standby" | "assist";

/** The station's seed, as its page knows it. */
export interface SeedOptions {
  policy: SeedPolicy;
  /** our WebTorrent tracker, `/ws` */
  tracker: URL;
  /** brings webtorrent, which is not loaded before it is needed */
  load: () => Promise<WebTorrentConstructor>;
}

export interface TorrentSeedClientOptions extends SeedOptions {
  iceServers: RTCIceServer[];
  now: () => number;
  random?: () => number;
}

export interface SeedRequest {
  signal: AbortSignal;
  /** told of pieces as they arrive, wanted or not */
  onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void;
}

/** Pieces of one torrent that were asked for together. */
interface PendingFetch extends SeedRequest {
  missing: Set<number>;
  /** whether the seed brought anything of it */
  delivered: boolean;
  done: () => void;
  failed: (error: Error) => void;
}

interface OpenTorrent {
  torrent: SegmentTorrent;
  fetches: Set<PendingFetch>;
  timeout: ReturnType<typeof setTimeout> | undefined;
}

export class TorrentSeedClient {
  readonly policy: SeedPolicy;
  /** whether the seed delivers, as this viewer's requests say */
  readonly health: SourceHealth;
  #options: TorrentSeedClientOptions;
  #client: Promise<WebTorrentClient> | null = null;
  /** by infohash, in the order in which they were opened */
  #open = new Map<string, OpenTorrent>();
  #expectedTime = new ExpectedTime();
  #closed = false;

  constructor(options: TorrentSeedClientOptions) {
    this.#options = options;
    this.policy = options.policy;
    this.health = new SourceHealth(options.now, options.random ?? Math.random);
  }

  /** When pieces should be here that the seed is asked for now, ms: by measurement. */
  get expectedMs(): number {
    return this.#expectedTime.ms;
  }

  /** How long the seed is waited for where the store could be asked, ms. */
  assistTimeoutMs({ duration }: Descriptor): number {
    return Math.min(this.expectedMs, MAX_ASSIST_SEGMENTS * duration * 1000);
  }

  /**
   * Fetch pieces of a segment from its torrent; resolves once all of them have come, or are wanted
   * no more.
   *
   * @throws when nothing comes any more, or when `signal` is aborted
   */
  async fetch(
    descriptor: Descriptor,
    indices: readonly number[],
    request: SeedRequest,
  ): Promise<void> {
    const startedAt = this.#options.now();
    try {
      const client = await withTimeout(IDLE_TIMEOUT_MS, this.#loadClient());
      request.signal.throwIfAborted();
      const delivered = await this.#fetch(client, descriptor, indices, request);
      if (delivered) {
        this.health.succeeded();
        this.#expectedTime.add(this.#options.now() - startedAt);
      } else if (this.health.failing) {
        // others were faster: that says nothing for the seed
        this.health.failed();
      }
    } catch (error) {
      this.health.failed();
      // what did not come in time says that the next may need longer
      this.#expectedTime.add(Math.max(this.expectedMs, this.#options.now() - startedAt));
      throw error;
    }
  }

  /** A piece came from elsewhere. */
  cancel({ infohash }: Descriptor, index: number): void {
    const open = this.#open.get(infohash ?? "");
    if (!open) return;
    open.torrent.deselect(index);
    this.#pieceArrived(infohash ?? "", open, index);
  }

  /** A segment is of no interest any more. */
  evict({ infohash }: Descriptor): void {
    const open = this.#open.get(infohash ?? "");
    for (const fetch of open?.fetches ?? []) fetch.done();
    this.#close(infohash ?? "", new Error("no longer wanted"));
  }

  close(): void {
    this.#closed = true;
    for (const infohash of this.#open.keys()) this.#close(infohash, new Error("closed"));
    this.#client?.then(
      (client) => {
        client.destroy();
      },
      () => undefined,
    );
  }

  #loadClient(): Promise<WebTorrentClient> {
    this.#client ??= this.#options.load().then((WebTorrent) => {
      if (this.#closed) throw new Error("closed");
      return openClient(WebTorrent, this.#options.iceServers);
    });
    this.#client.catch(() => {
      // the site may not have answered: the next one who needs it asks again
      this.#client = null;
    });
    return this.#client;
  }

  /** Returns whether the seed brought anything of it. */
  #fetch(
    client: WebTorrentClient,
    descriptor: Descriptor,
    indices: readonly number[],
    request: SeedRequest,
  ): Promise<boolean> {
    const infohash = descriptor.infohash ?? "";
    const open = this.#open.get(infohash) ?? this.#openTorrent(client, descriptor);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        fetch.failed(new Error(`torrent ${infohash}: not in time`));
        for (const index of fetch.missing) if (!isWanted(open, index)) open.torrent.deselect(index);
        if (open.fetches.size === 0) this.#close(infohash);
      };
      const settle = (): void => {
        open.fetches.delete(fetch);
        request.signal.removeEventListener("abort", leave);
      };
      const fetch: PendingFetch = {
        ...request,
        missing: new Set(indices),
        delivered: false,
        done: () => {
          settle();
          resolve(fetch.delivered);
        },
        failed: (error) => {
          settle();
          reject(error);
        },
      };
      open.fetches.add(fetch);
      request.signal.addEventListener("abort", leave);
      for (const index of indices) open.torrent.select(index);
    });
  }

  #openTorrent(client: WebTorrentClient, descriptor: Descriptor): OpenTorrent {
    const infohash = descriptor.infohash ?? "";
    for (const oldest of this.#open.keys()) {
      if (this.#open.size < MAX_TORRENTS) break;
      this.#close(oldest, new Error(`torrent ${oldest}: others came after it`));
    }
    const torrent = new SegmentTorrent(client, this.#options.tracker, descriptor, {
      onPiece: (index, bytes) => {
        this.#restartTimeout(infohash, open);
        for (const fetch of open.fetches) if (fetch.missing.has(index)) fetch.delivered = true;
        // all of them are about the same segment
        for (const { onPiece } of [...open.fetches].slice(0, 1)) onPiece(index, bytes);
        this.#pieceArrived(infohash, open, index);
      },
      onLost: (error) => {
        this.#close(infohash, error);
      },
    });
    const open: OpenTorrent = { torrent, fetches: new Set(), timeout: undefined };
    this.#open.set(infohash, open);
    this.#restartTimeout(infohash, open);
    return open;
  }

  #restartTimeout(infohash: string, open: OpenTorrent): void {
    clearTimeout(open.timeout);
    open.timeout = setTimeout(() => {
      this.#close(infohash, new Error(`torrent ${infohash}: nothing for ${IDLE_TIMEOUT_MS} ms`));
    }, IDLE_TIMEOUT_MS);
  }

  /** A piece is here, wherever from. */
  #pieceArrived(infohash: string, open: OpenTorrent, index: number): void {
    for (const fetch of open.fetches) {
      fetch.missing.delete(index);
      if (fetch.missing.size === 0) fetch.done();
    }
    if (open.fetches.size === 0) this.#close(infohash);
  }

  #close(infohash: string, error?: Error): void {
    const open = this.#open.get(infohash);
    if (!open) return;
    this.#open.delete(infohash);
    clearTimeout(open.timeout);
    open.torrent.close();
    for (const fetch of open.fetches) fetch.failed(error ?? new Error("closed"));
  }
}

async function withTimeout<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`nothing for ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isWanted({ fetches }: OpenTorrent, index: number): boolean {
  return [...fetches].some(({ missing }) => missing.has(index));
}
