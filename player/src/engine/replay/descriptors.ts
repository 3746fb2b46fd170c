/** Descriptors of a replay's segments, from the replay's hash lists. */

import type { Descriptor, Variant } from "../../protocol/messages";

const LOOKUP_TIMEOUT_MS = 10_000;
/** A list that could not be loaded is requested again after this time, not for each segment. */
const RETRY_MS = 5_000;
/** Pieces that a segment is sent in; a bitmap of 32 bits says which are here. */
const MIN_PIECE_BYTES = 64 * 1024;
const MAX_PIECES = 32;

/** A segment with one hash: its pieces have no hashes of their own. */
export interface ReplayDescriptor extends Descriptor {
  /** base64 */
  sha256: string;
}

interface HashList {
  /** by segment name */
  segments: ReadonlyMap<string, Omit<ReplayDescriptor, "url">>;
  failedAt: number | null;
}

export class ReplayDescriptors {
  #lists = new Map<Variant, Promise<HashList>>();

  /**
   * @param hashes `…/segments.json`; each variant has its own list at `…/<variant>/segments.json`
   */
  constructor(
    private readonly hashes: URL,
    private readonly fetch: typeof globalThis.fetch,
    private readonly now: () => number,
  ) {}

  /** The descriptor of the segment with this URL; undefined if there is none. */
  async find(url: string): Promise<ReplayDescriptor | undefined> {
    const [, variant, name] = /\/(\d+)\/([^/]+)$/.exec(new URL(url).pathname) ?? [];
    if (variant === undefined || name === undefined) return undefined;
    const { segments } = await this.#list(Number(variant));
    const found = segments.get(decodeURIComponent(name));
    return found && { ...found, url };
  }

  async #list(variant: Variant): Promise<HashList> {
    const loaded = await this.#lists.get(variant);
    if (loaded && (loaded.failedAt === null || this.now() - loaded.failedAt < RETRY_MS))
      return loaded;
    const list = this.#fetchList(variant);
    this.#lists.set(variant, list);
    return list;
  }

  async #fetchList(variant: Variant): Promise<HashList> {
    try {
      const list = new URL(`${variant}/segments.json`, this.hashes);
      const response = await this.fetch(list, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) });
      if (!response.ok) throw new Error(`${list.href}: HTTP ${response.status}`);
      return { segments: parse(await response.json(), variant), failedAt: null };
    } catch {
      // without a list, the caller continues without hashes
      return { segments: new Map(), failedAt: this.now() };
    }
  }
}

function parse(body: unknown, variant: Variant): HashList["segments"] {
  const { segments } = body as { segments: Record<string, unknown>[] };
  const parsed = new Map<string, Omit<ReplayDescriptor, "url">>();
  for (const { name, sequence, size, duration, sha256 } of segments) {
    if (typeof name !== "string" || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
      continue;
    if (typeof sequence !== "number" || typeof duration !== "number") continue;
    if (typeof size !== "number" || size <= 0) continue;
    const fields = { variant, sequence, size, duration, infohash: null, stored: true };
    const pieceSize = pieceBytes(size);
    parsed.set(name, { ...fields, pieceSize, pieceHashes: [], sha256: base64(sha256) });
  }
  return parsed;
}

function pieceBytes(size: number): number {
  return Math.max(MIN_PIECE_BYTES, 2 ** Math.ceil(Math.log2(size / MAX_PIECES)));
}

function base64(hex: string): string {
  const bytes = (hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16));
  return btoa(String.fromCharCode(...bytes));
}
