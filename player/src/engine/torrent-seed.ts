/** Client of the station's torrent seed: a source of pieces for when the store fails. */

import { ExpectedTime, SourceHealth } from "./source-health";
import type { Descriptor } from "../protocol/messages";
import type { WebTorrentClient, WebTorrentConstructor } from "./webtorrent";
import { SegmentTorrent, openClient } from "./webtorrent";

/**
 * Torrents open at once. Only a few segments matter at a time; the oldest torrent is closed first.
 */
const MAX_TORRENTS = 4;
/** A torrent that brings nothing for this long is closed. */
const IDLE_TIMEOUT_MS = 8_000;
/** While the store works, the seed may take at most this fraction of a segment's duration. */
const MAX_ASSIST_SEGMENTS = 0.4;

/** When viewers ask the seed: only while the store fails, or first. */
export type SeedPolicy = "standby" | "assist";

/** The station's seed, as configured for this page. */
export interface SeedOptions {
  policy: SeedPolicy;
  /** the station's WebTorrent tracker, `/ws` */
  tracker: URL;
  /** loads webtorrent, which is not loaded until it is needed */
  load: () => Promise<WebTorrentConstructor>;
}

export interface TorrentSeedClientOptions extends SeedOptions {
  iceServers: RTCIceServer[];
  now: () => number;
  random?: () => number;
}

export interface SeedRequest {
  signal: AbortSignal;
  /** called with pieces as they arrive, needed or not */
  onPiece: (index: number, bytes: Uint8Array<ArrayBuffer>) => void;
}

/** Pieces of one torrent that were requested together. */
interface PendingFetch extends SeedRequest {
  missing: Set<number>;
  /** whether the seed delivered any of them */
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
  /** whether the seed delivers, judging by this viewer's requests */
  readonly health: SourceHealth;
  #options: TorrentSeedClientOptions;
  #client: Promise<WebTorrentClient> | null = null;
  /** by infohash, oldest first */
  #torrents = new Map<string, OpenTorrent>();
  #expectedTime = new ExpectedTime();
  #closed = false;

  constructor(options: TorrentSeedClientOptions) {
    this.#options = options;
    this.policy = options.policy;
    this.health = new SourceHealth(options.now, options.random ?? Math.random);
  }

  /** How long the seed is expected to take, ms, by measurement. */
  get expectedMs(): number {
    return this.#expectedTime.ms;
  }

  /** How long to wait for the seed while the store works, ms. */
  assistTimeoutMs({ duration }: Descriptor): number {
    return Math.min(this.expectedMs, MAX_ASSIST_SEGMENTS * duration * 1000);
  }

  /**
   * Fetch pieces of a segment from its torrent. Resolves once all of them have arrived or were
   * canceled.
   *
   * @throws when nothing more will arrive, or when `signal` is aborted
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
        // other sources were faster, which is no sign that the seed works
        this.health.failed();
      }
    } catch (error) {
      this.health.failed();
      // a timeout means that the next attempt may take longer, too
      this.#expectedTime.add(Math.max(this.expectedMs, this.#options.now() - startedAt));
      throw error;
    }
  }

  /** The piece arrived from another source. */
  cancel({ infohash }: Descriptor, index: number): void {
    const entry = this.#torrents.get(infohash ?? "");
    if (!entry) return;
    entry.torrent.deselect(index);
    this.#pieceArrived(infohash ?? "", entry, index);
  }

  /** The segment was evicted. */
  evict({ infohash }: Descriptor): void {
    const entry = this.#torrents.get(infohash ?? "");
    for (const fetch of entry?.fetches ?? []) fetch.done();
    this.#close(infohash ?? "", new Error(`torrent ${infohash ?? ""}: segment evicted`));
  }

  close(): void {
    this.#closed = true;
    for (const infohash of this.#torrents.keys()) this.#close(infohash, new Error("closed"));
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
      // the site may have been unreachable: the next request loads it again
      this.#client = null;
    });
    return this.#client;
  }

  /** Resolves to whether the seed delivered any of the pieces. */
  #fetch(
    client: WebTorrentClient,
    descriptor: Descriptor,
    indices: readonly number[],
    request: SeedRequest,
  ): Promise<boolean> {
    const infohash = descriptor.infohash ?? "";
    const entry = this.#torrents.get(infohash) ?? this.#openTorrent(client, descriptor);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        fetch.failed(
          new Error(`torrent ${infohash}: aborted, pieces from the seed did not arrive in time`),
        );
        for (const index of fetch.missing)
          if (!isWanted(entry, index)) entry.torrent.deselect(index);
        if (entry.fetches.size === 0) this.#close(infohash);
      };
      const settle = (): void => {
        entry.fetches.delete(fetch);
        request.signal.removeEventListener("abort", abort);
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
      entry.fetches.add(fetch);
      request.signal.addEventListener("abort", abort);
      for (const index of indices) entry.torrent.select(index);
    });
  }

  #openTorrent(client: WebTorrentClient, descriptor: Descriptor): OpenTorrent {
    const infohash = descriptor.infohash ?? "";
    for (const oldest of this.#torrents.keys()) {
      if (this.#torrents.size < MAX_TORRENTS) break;
      this.#close(oldest, new Error(`torrent ${oldest}: closed to make room for newer torrents`));
    }
    const torrent = new SegmentTorrent(client, this.#options.tracker, descriptor, {
      onPiece: (index, bytes) => {
        this.#restartTimeout(infohash, entry);
        for (const fetch of entry.fetches) if (fetch.missing.has(index)) fetch.delivered = true;
        // all fetches are for the same segment: one delivery is enough
        for (const { onPiece } of [...entry.fetches].slice(0, 1)) onPiece(index, bytes);
        this.#pieceArrived(infohash, entry, index);
      },
      onLost: (error) => {
        this.#close(infohash, error);
      },
    });
    const entry: OpenTorrent = { torrent, fetches: new Set(), timeout: undefined };
    this.#torrents.set(infohash, entry);
    this.#restartTimeout(infohash, entry);
    return entry;
  }

  #restartTimeout(infohash: string, entry: OpenTorrent): void {
    clearTimeout(entry.timeout);
    entry.timeout = setTimeout(() => {
      this.#close(infohash, new Error(`torrent ${infohash}: no data for ${IDLE_TIMEOUT_MS} ms`));
    }, IDLE_TIMEOUT_MS);
  }

  /** A piece arrived, from any source. */
  #pieceArrived(infohash: string, entry: OpenTorrent, index: number): void {
    for (const fetch of entry.fetches) {
      fetch.missing.delete(index);
      if (fetch.missing.size === 0) fetch.done();
    }
    if (entry.fetches.size === 0) this.#close(infohash);
  }

  #close(infohash: string, error?: Error): void {
    const entry = this.#torrents.get(infohash);
    if (!entry) return;
    this.#torrents.delete(infohash);
    clearTimeout(entry.timeout);
    entry.torrent.close();
    for (const fetch of entry.fetches) fetch.failed(error ?? new Error("closed"));
  }
}

async function withTimeout<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`webtorrent did not load within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function isWanted({ fetches }: OpenTorrent, index: number): boolean {
  return [...fetches].some(({ missing }) => missing.has(index));
}
