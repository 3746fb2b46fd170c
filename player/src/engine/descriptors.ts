/** The descriptors known so far, by the segment's URL; asked for over HTTP when signaling is late. */

import type { Descriptor, Sequence, Variant } from "../protocol/messages";
import { parseSegmentList } from "../protocol/messages";

/** More than the playlist's window of 60 segments, in each of two renditions. */
const MAX_DESCRIPTORS = 128;
/** Without an answer by then the segment is played unverified rather than late. */
const LOOKUP_TIMEOUT_MS = 1_500;

export class Descriptors {
  #byUrl = new Map<string, Descriptor>();
  #requests = new Map<string, Promise<Descriptor[]>>();

  /**
   * @param segmentsUrl `/live/segments.json`; a rendition's own list is `/live/<variant>/segments.json`
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

  /** The descriptor of a segment, asked for over HTTP when it is not known; undefined if it has none. */
  async find(url: string, variant: Variant, sequence: Sequence): Promise<Descriptor | undefined> {
    const known = this.byUrl(url);
    if (known) return known;
    await this.fetchAfter(sequence - 1, variant);
    return this.byUrl(url);
  }

  /** Ask over HTTP for the descriptors after a media sequence number; none if there is no answer. */
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
      // no list: the caller goes on without hashes
      return [];
    }
  }
}

/** The rendition that a segment's URL names (`…/live/<variant>/<segment>`); null if it names none. */
export function variantOf(url: string): Variant | null {
  const variant = /\/live\/(\d+)\/[^/]+$/.exec(new URL(url).pathname)?.[1];
  return variant === undefined ? null : Number(variant);
}
