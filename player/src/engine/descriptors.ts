/**
 * Known descriptors by segment URL. Requests them over HTTP when signaling has not delivered them.
 */

import type { Descriptor, Sequence, Variant } from "../protocol/messages";
import { parseSegmentList } from "../protocol/messages";

/** More than two variants' playlist windows of 60 segments. */
const MAX_DESCRIPTORS = 128;
/** Without an answer by then, play the segment unverified rather than late. */
const LOOKUP_TIMEOUT_MS = 1_500;

export class Descriptors {
  #byUrl = new Map<string, Descriptor>();
  #requests = new Map<string, Promise<Descriptor[]>>();

  /**
   * @param segmentsUrl `/live/segments.json`; each variant has its own list at
   *   `/live/<variant>/segments.json`
   */
  constructor(
    private readonly segmentsUrl: URL,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  add(descriptor: Descriptor): void {
    this.#byUrl.delete(descriptor.url);
    this.#byUrl.set(descriptor.url, descriptor);
    for (const url of this.#byUrl.keys()) {
      if (this.#byUrl.size <= MAX_DESCRIPTORS) break;
      this.#byUrl.delete(url);
    }
  }

  byUrl(url: string): Descriptor | undefined {
    return this.#byUrl.get(url);
  }

  /** The descriptor of a segment, requested over HTTP if unknown; undefined if there is none. */
  async find(url: string, variant: Variant, sequence: Sequence): Promise<Descriptor | undefined> {
    const found = this.byUrl(url);
    if (found) return found;
    await this.fetchAfter(sequence - 1, variant);
    return this.byUrl(url);
  }

  /** Request the descriptors after a media sequence number. Returns an empty list if that fails. */
  fetchAfter(sequence: Sequence, variant: Variant): Promise<Descriptor[]> {
    const list = new URL(`${variant}/segments.json?after=${sequence}`, this.segmentsUrl);
    const running = this.#requests.get(list.href);
    if (running) return running;
    const request = this.#request(list).finally(() => this.#requests.delete(list.href));
    this.#requests.set(list.href, request);
    return request;
  }

  async #request(list: URL): Promise<Descriptor[]> {
    try {
      const response = await this.fetch(list, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT_MS) });
      if (!response.ok) return [];
      const descriptors = parseSegmentList(await response.json());
      for (const descriptor of descriptors) this.add(descriptor);
      return descriptors;
    } catch {
      // without a list, the caller continues without hashes
      return [];
    }
  }
}

/** The variant named in a segment's URL (`…/live/<variant>/<segment>`); null if there is none. */
export function variantOf(url: string): Variant | null {
  const variant = /\/live\/(\d+)\/[^/]+$/.exec(new URL(url).pathname)?.[1];
  return variant === undefined ? null : Number(variant);
}
