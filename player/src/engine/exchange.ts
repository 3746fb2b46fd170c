/** Where the pieces of segments come from and go to: peers, the store, the player. */

import type { Mesh } from "./connections";
import { Fetcher } from "./fetcher";
import { EarlyFrames, Reassembler } from "./reassembly";
import type { Slice } from "./plan";
import type { Descriptor, MemberId, Sequence, Variant } from "./protocol";
import { schedule } from "./scheduler";
import type { Segment, Waiter } from "./segments";
import { SegmentCache } from "./segments";
import { Startup } from "./startup";
import type { Stats } from "./stats";
import type { Store } from "./store";
import type { Verify } from "./verify";
import type { PieceFrame } from "./wire";
import { decodeFrame } from "./wire";

/** How often the deadlines of waited-for segments are looked at. */
const TICK_MS = 100;

export interface ExchangeOptions {
  store: Store;
  stats: Stats;
  /** null where the browser cannot hash: then nothing comes from peers */
  verify: Verify | null;
  mesh: Mesh | null;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** whether signaling is up and peers are there to bring a segment that it will announce */
  sharing: () => boolean;
}

export class Exchange {
  readonly startup: Startup;
  #o: ExchangeOptions;
  #cache: SegmentCache;
  #reassembler = new Reassembler();
  #early = new EarlyFrames();
  #playhead: Sequence | null = null;
  #newestAnnounced = new Map<Variant, Sequence>();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #fetcher: Fetcher;

  constructor(options: ExchangeOptions) {
    this.#o = options;
    this.startup = new Startup(options.now);
    this.#cache = new SegmentCache(({ descriptor }) => {
      this.#reassembler.forgetSegment(descriptor.variant, descriptor.sequence);
    });
    this.#fetcher = new Fetcher({
      store: options.store,
      verified: (segment, index, bytes) => this.#verified(segment, index, bytes),
      received: (segment, count) => {
        const { sequence } = segment.descriptor;
        options.stats.received("store", count, this.startup.includes(sequence));
      },
      keep: (segment, index, bytes) => {
        this.#keep(segment, index, bytes);
        if (this.#owns(segment, index)) this.#handOn(segment, index);
      },
    });
  }

  /** A segment was published, and planned: fetch the own slice, if there is one, and hand it on. */
  announced(descriptor: Descriptor, slices: readonly Slice[], ready: boolean): void {
    if (!this.#isNews(descriptor)) return;
    this.#newestAnnounced.set(descriptor.variant, descriptor.sequence);
    const segment = this.#segmentOf(descriptor);
    segment.announcedAt = this.#o.now();
    segment.slices = slices;
    this.startup.look(descriptor.sequence, ready);
    const own = slices.filter(({ owner }) => owner === this.#o.you());
    for (const slice of own)
      for (let index = slice.first; index < slice.end; index += 1)
        if (segment.pieces.has(index)) this.#handOn(segment, index);
    // alone, the player asks for what it needs when it needs it
    if (slices.length > 1 || this.#linked())
      for (const slice of own) this.#fetcher.fetch(segment, slice);
  }

  /** The newest segment of a rendition that was announced; null before the first. */
  newestAnnounced(variant: Variant): Sequence | null {
    return this.#newestAnnounced.get(variant) ?? null;
  }

  /** The player wants a whole segment; resolves once it is complete. */
  async want(descriptor: Descriptor, signal: AbortSignal): Promise<Segment> {
    signal.throwIfAborted();
    this.#playhead = descriptor.sequence;
    this.startup.look(descriptor.sequence);
    const segment = this.#segmentOf(descriptor);
    if (segment.pieces.complete) return segment;
    await new Promise<void>((resolve, reject) => {
      // what was requested goes on: others may wait for it, and the player may come back
      const leave = (): void => {
        segment.waiters.delete(waiter);
        reject(new Error("no longer wanted"));
      };
      const waiter: Waiter = {
        since: this.#o.now(),
        done: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
        failed: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      };
      segment.waiters.add(waiter);
      signal.addEventListener("abort", leave, { once: true });
      this.#ticker ??= setInterval(() => {
        this.#tick();
      }, TICK_MS);
      this.#consider(segment);
    });
    return segment;
  }

  /** A frame came from a peer. */
  frame(from: MemberId, data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) this.#dropPeer(from);
    else {
      const segment = this.#cache.get(frame.variant, frame.sequence);
      if (segment) this.#take(segment, from, frame);
      else this.#early.hold(from, frame, this.#cache.newest);
    }
  }

  /** The link to a peer is gone: what it owed is fetched by whoever waits for it. */
  peerLost(id: MemberId): void {
    this.#reassembler.forgetPeer(id);
    this.#early.forgetPeer(id);
    this.#tick();
  }

  close(): void {
    this.#fetcher.close();
    clearInterval(this.#ticker);
  }

  /**
   * Whether a segment is still to come for everybody. Signaling that restarted may announce again
   * what was published before: nobody waits for that any more.
   */
  #isNews({ variant, sequence }: Descriptor): boolean {
    const newest = this.#newestAnnounced.get(variant) ?? -1;
    return sequence > newest && sequence >= (this.#playhead ?? 0);
  }

  #segmentOf(descriptor: Descriptor): Segment {
    const { variant, sequence } = descriptor;
    const segment = this.#cache.ensure(descriptor, this.#playhead ?? sequence);
    for (const { peer, frame } of this.#early.take(variant, sequence))
      this.#take(segment, peer, frame);
    return segment;
  }

  #take(segment: Segment, from: MemberId, frame: PieceFrame): void {
    const { pieces } = segment;
    if (frame.total === 0 || frame.total !== pieces.lengthOf(frame.piece)) {
      this.#dropPeer(from);
      return;
    }
    if (pieces.has(frame.piece)) {
      if (frame.offset === 0) this.#o.stats.segments.duplicates += 1;
      return;
    }
    const whole = this.#reassembler.add(from, frame);
    if (whole === "nonsense") this.#dropPeer(from);
    else if (whole !== "partial") void this.#fromPeer(segment, from, frame.piece, whole);
  }

  async #fromPeer(
    segment: Segment,
    from: MemberId,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { pieces, descriptor } = segment;
    if (!pieces.claim(index)) {
      this.#o.stats.segments.duplicates += 1;
      return;
    }
    if (!(await this.#verified(segment, index, bytes))) {
      pieces.release(index);
      this.#dropPeer(from);
      return;
    }
    this.#o.stats.received("p2p", bytes.byteLength, this.startup.includes(descriptor.sequence));
    this.#keep(segment, index, bytes);
  }

  async #verified(
    { descriptor }: Segment,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    const hash = descriptor.pieceHashes[index] ?? "";
    // without WebCrypto there are no peers, and the store's bytes are taken as they are
    const good = !this.#o.verify || (await this.#o.verify(bytes, hash));
    if (!good) this.#o.stats.segments.bad_pieces += 1;
    return good;
  }

  #keep(segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>): void {
    const now = this.#o.now();
    const { pieces, descriptor } = segment;
    pieces.put(index, bytes);
    segment.arrived(now);
    if (!pieces.complete) return;
    this.#reassembler.forgetSegment(descriptor.variant, descriptor.sequence);
    this.#o.stats.segments.complete += 1;
    if (segment.announcedAt !== null && !this.startup.includes(descriptor.sequence))
      this.#o.stats.completed(Math.round(now - segment.announcedAt));
    segment.finish();
  }

  #handOn({ descriptor, pieces }: Segment, index: number): void {
    this.#o.mesh?.broadcast(descriptor, index, pieces.piece(index));
  }

  #dropPeer(id: MemberId): void {
    this.#o.mesh?.expel(id);
  }

  #linked(): boolean {
    return (this.#o.mesh?.size ?? 0) > 0;
  }

  #tick(): void {
    let waiting = false;
    for (const segment of this.#cache.all()) {
      if (segment.waiters.size === 0) continue;
      waiting = true;
      this.#consider(segment);
    }
    if (waiting) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #consider(segment: Segment): void {
    const { pieces, descriptor } = segment;
    const now = this.#o.now();
    const since = Math.min(...Array.from(segment.waiters, (waiter) => waiter.since));
    const { ranges, late } = schedule({
      neededInS: this.#o.bufferedS(),
      waitedS: (now - since) / 1000,
      missing: pieces.missing(),
      inFlight: (piece) => segment.inFlight.has(piece),
      expected: (piece) => this.#expected(segment, piece),
      storeTakesS: (count) => this.#o.store.takesS(count * descriptor.pieceSize),
    });
    if (late && !segment.late && !this.startup.includes(descriptor.sequence)) {
      segment.late = true;
      this.#o.stats.segments.deadline_fetches += 1;
    }
    for (const range of ranges) this.#fetcher.fetch(segment, range);
  }

  /** Whether a peer will bring this piece: it owns it, and was linked when it began to send. */
  #expected({ announcedAt, slices, descriptor }: Segment, piece: number): boolean {
    if (announcedAt === null) return this.#o.sharing() && this.#isNews(descriptor);
    const owner = slices.find(({ first, end }) => first <= piece && piece < end)?.owner;
    const openedAt = owner === undefined ? null : (this.#o.mesh?.openedAt(owner) ?? null);
    return openedAt !== null && openedAt <= announcedAt;
  }

  #owns({ slices }: Segment, index: number): boolean {
    const you = this.#o.you();
    return slices.some(({ owner, first, end }) => owner === you && first <= index && index < end);
  }
}
