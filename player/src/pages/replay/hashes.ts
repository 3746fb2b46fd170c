/** Checks a replay's segments against the SHA-256 that the broadcaster published of each. */

import type { Verdict } from "../p2pml/validator";
import { verdict } from "../p2pml/validator";

const LOOKUP_TIMEOUT_MS = 10_000;
/** A list that could not be had is asked for again, but not for each segment. */
const RETRY_MS = 5_000;

interface HashList {
  /** SHA-256 in hex, by the segment's name */
  names: ReadonlyMap<string, string>;
  failedAt: number | null;
}

export class ReplayHashes {
  #lists = new Map<string, Promise<HashList>>();

  /** @param hashes `…/segments.json`; a rendition's own list is `…/<variant>/segments.json` */
  constructor(
    private readonly hashes: URL,
    private readonly fetch: typeof globalThis.fetch,
    private readonly subtle: SubtleCrypto,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Say whether these are the bytes of the segment at this URL. */
  async check(url: string, data: ArrayBuffer): Promise<Verdict> {
    // what a peer holds whose worker took the buffer away
    if (data.byteLength === 0) return "false";
    const [, variant, name] = /\/(\d+)\/([^/]+)$/.exec(new URL(url).pathname) ?? [];
    if (variant === undefined || name === undefined) return "unknown";
    const { names } = await this.#list(variant);
    return verdict(this.subtle, data, names.get(name));
  }

  async #list(variant: string): Promise<HashList> {
    const known = await this.#lists.get(variant);
    if (known && (known.failedAt === null || this.now() - known.failedAt < RETRY_MS)) return known;
    const list = this.#ask(new URL(`${variant}/segments.json`, this.hashes));
    this.#lists.set(variant, list);
    return list;
  }

  async #ask(list: URL): Promise<HashList> {
    try {
      const response = await this.fetch(list, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) });
      if (!response.ok) throw new Error(String(response.status));
      const { segments } = (await response.json()) as { segments: Record<string, unknown>[] };
      const names = new Map<string, string>();
      for (const { name, sha256 } of segments)
        if (typeof name === "string" && typeof sha256 === "string") names.set(name, sha256);
      return { names, failedAt: null };
    } catch {
      return { names: new Map(), failedAt: this.now() };
    }
  }
}
