/** Verifies segments against the SHA-256 hashes that the broadcaster published. */

import { variantOf } from "../../engine/descriptors";
import type { Variant } from "../../protocol/messages";

/** Edge caches keep the list for a second, so it is fetched again if the segment is missing. */
const MAX_LOOKUPS = 3;
const LOOKUP_INTERVAL_MS = 600;
const LOOKUP_TIMEOUT_MS = 1_500;
/** Two windows of 60 segments in each of four variants. */
const MAX_HASHES = 480;

export type Verdict = "genuine" | "false" | "unknown";

/** Compares bytes with their expected SHA-256, in hex. */
async function verdict(
  subtle: SubtleCrypto,
  data: ArrayBuffer,
  expected: string | undefined,
): Promise<Verdict> {
  if (expected === undefined) return "unknown";
  const digest = new Uint8Array(await subtle.digest("SHA-256", data));
  const hex = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex === expected ? "genuine" : "false";
}

export interface SegmentHashesOptions {
  /** `/live/segments.json`; the list of one variant is `/live/<variant>/segments.json` */
  segments: URL;
  fetch: typeof fetch;
  subtle: SubtleCrypto;
}

export class SegmentHashes {
  #options: SegmentHashesOptions;
  /** SHA-256 in hex, by the segment's URL */
  #hashes = new Map<string, string>();
  /** the newest known media sequence of each variant */
  #newest = new Map<Variant, number>();

  constructor(options: SegmentHashesOptions) {
    this.#options = options;
  }

  /** Returns whether these are the bytes of the segment at this URL. */
  async check(url: string, data: ArrayBuffer): Promise<Verdict> {
    // a peer whose worker detached the buffer sends no bytes
    if (data.byteLength === 0) return "false";
    return verdict(this.#options.subtle, data, await this.#find(url));
  }

  async #find(url: string): Promise<string | undefined> {
    const variant = variantOf(url);
    if (variant === null) return undefined;
    for (let lookup = 1; lookup <= MAX_LOOKUPS && !this.#hashes.has(url); lookup += 1) {
      if (lookup > 1) await new Promise((resolve) => setTimeout(resolve, LOOKUP_INTERVAL_MS));
      if (!(await this.#fetchNew(variant))) break;
    }
    return this.#hashes.get(url);
  }

  /** Fetches the hashes published since the last time; returns whether that succeeded. */
  async #fetchNew(variant: Variant): Promise<boolean> {
    const list = new URL(`${variant}/segments.json`, this.#options.segments);
    const newest = this.#newest.get(variant);
    if (newest !== undefined) list.searchParams.set("after", String(newest));
    try {
      const signal = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
      const response = await this.#options.fetch(list, { signal });
      if (!response.ok) return false;
      this.#add(variant, await response.json());
      return true;
    } catch {
      return false;
    }
  }

  #add(variant: Variant, list: unknown): void {
    const { variants } = list as { variants: Record<string, { segments: unknown[] }> };
    for (const segment of variants[String(variant)]?.segments ?? []) {
      const { url, sequence, sha256 } = segment as Record<string, unknown>;
      if (typeof url !== "string" || typeof sha256 !== "string") continue;
      this.#hashes.set(url, sha256);
      if (typeof sequence === "number") this.#newest.set(variant, sequence);
    }
    for (const url of this.#hashes.keys()) {
      if (this.#hashes.size <= MAX_HASHES) break;
      this.#hashes.delete(url);
    }
  }
}
