/** Where the pieces of segments come from and go to: peers, the store, the player. */

import { Appetite } from "./interest";
import type { Mesh } from "../webrtc/mesh";
import { Demand } from "./player-requests";
import { Downlink } from "./downlink-estimator";
import { Fetcher } from "./downloads";
import { Intake } from "./piece-receiver";
import type { Magnets } from "./torrent-seed";
import { Neighbours } from "./piece-sharing";
import type { Descriptor, MemberId, Sequence, Variant } from "../protocol/messages";
import type { PlannedSlice } from "../room/room";
import { isOverdue } from "./deadline";
import type { Segment } from "./segment";
import { SegmentCache } from "./segment";
import { Startup } from "./stats";
import type { Stats } from "./stats";
import type { Store } from "./store";
import type { Verify } from "./verify";
import { decodeFrame } from "../protocol/frames";

/** How often deadlines, and pieces that are late, are looked at. */
const TICK_MS = 100;
/** Older segments are repaired no more: who needs one fetches it. */
const REPAIRED_SEGMENTS = 3;

export interface ExchangeOptions {
  store: Store;
  /** null where the torrent seed cannot be asked, or shall not be */
  magnets: Magnets | null;
  stats: Stats;
  /** null where the browser cannot hash: then nothing comes from peers */
  verify: Verify | null;
  mesh: Mesh | null;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** a member sent a piece with a wrong hash */
  onBadPiece: (from: MemberId) => void;
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** seconds since the viewer paused; 0 while it plays */
  pausedS: () => number;
  /** whether signaling is up and peers are there to bring a segment that it will announce */
  sharing: () => boolean;
}

export class Exchange {
  readonly startup: Startup;
  readonly downlink = new Downlink();
  #o: ExchangeOptions;
  #cache: SegmentCache;
  #intake: Intake;
  #playhead: Sequence | null = null;
  #newestAnnounced = new Map<Variant, Sequence>();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #fetcher: Fetcher;
  #demand: Demand;
  /** null where nothing can be shared */
  #neighbours: Neighbours | null;
  #appetite: Appetite | null;

  constructor(options: ExchangeOptions) {
    this.#o = options;
    const { mesh, stats, now, you, variant, pausedS } = options;
    this.startup = new Startup(now);
    this.#cache = new SegmentCache((segment) => {
      this.#intake.forgetSegment(segment);
      this.#fetcher.forget(segment);
    });
    this.#intake = new Intake({
      stats,
      cache: this.#cache,
      verified: (segment, index, bytes) => this.#verified(segment, index, bytes),
      keep: (segment, index, bytes, from) => {
        const { sequence } = segment.descriptor;
        stats.received("p2p", bytes.byteLength, this.startup.includes(sequence));
        this.#neighbours?.came(segment, index, from);
        this.#keep(segment, index, bytes);
        this.#neighbours?.relay(segment, index);
      },
      onBadPiece: options.onBadPiece,
      drop: (from) => {
        mesh?.expel(from);
      },
    });
    this.#fetcher = new Fetcher({
      store: options.store,
      magnets: options.magnets,
      verified: (segment, index, bytes) => this.#verified(segment, index, bytes),
      received: (source, segment, count) => {
        const { sequence } = segment.descriptor;
        options.stats.received(source, count, this.startup.includes(sequence));
      },
      downlink: this.downlink,
      now,
      expected: (segment, index) => this.#expected(segment, index) && !this.#demand.isDry(segment),
      keep: (segment, index, bytes) => {
        this.#keep(segment, index, bytes);
        if (this.#owns(segment, index) || segment.steppedIn.has(index))
          this.#neighbours?.handOn(segment, index);
      },
    });
    const { store, bufferedS } = options;
    const fetcher = this.#fetcher;
    const expected = this.#expected.bind(this);
    const segments = () => this.#cache.all();
    const linkFull = () => this.downlink.isFull(now());
    const from = { store, fetcher, segments, stats, now };
    this.#demand = new Demand({ ...from, startup: this.startup, bufferedS, expected, linkFull });
    const isRecent = this.#isRecent.bind(this);
    this.#neighbours = mesh && new Neighbours({ ...from, mesh, you, isRecent });
    this.#appetite = mesh && new Appetite({ mesh, variant, pausedS });
  }

  /** A segment was published, and planned: fetch the own slice, if there is one, and hand it on. */
  announced(descriptor: Descriptor, slices: readonly PlannedSlice[], ready: boolean): void {
    if (!this.#isNews(descriptor)) return;
    this.#newestAnnounced.set(descriptor.variant, descriptor.sequence);
    const segment = this.#segmentOf(descriptor);
    segment.announcedAt = this.#o.now();
    segment.slices = slices;
    this.startup.look(descriptor.sequence, ready);
    this.#lookAtAppetite();
    for (const index of segment.pieces.held()) {
      if (this.#owns(segment, index)) this.#neighbours?.handOn(segment, index);
      else this.#neighbours?.relay(segment, index);
    }
    // alone, the player asks for what it needs when it needs it; the seed needs longer than the store
    if (slices.length > 1 || this.#linked() || !descriptor.stored)
      for (const slice of slices)
        if (slice.owner === this.#o.you()) this.#fetcher.fetch(segment, slice, "owner");
    if (this.#linked()) this.#startTicking();
  }

  /** What the player waits for, and has waited for too long. */
  get demand(): Pick<Demand, "lateAt" | "missing"> {
    return this.#demand;
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
    this.#lookAtAppetite();
    const segment = this.#segmentOf(descriptor);
    if (segment.pieces.complete) return segment;
    this.#startTicking();
    await this.#demand.wait(segment, signal);
    return segment;
  }

  /** A frame came from a peer. */
  frame(from: MemberId, data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) {
      this.#o.mesh?.expel(from);
      return;
    }
    const segment = this.#cache.get(frame.variant, frame.sequence);
    if (frame.type === "piece") {
      this.downlink.fromPeer(frame.payload.byteLength, this.#o.now());
      this.#intake.take(segment, from, frame);
    } else if (frame.type === "have") segment?.haves.set(from, frame.pieces);
    else if (frame.type === "want") this.#neighbours?.takes(from, true);
    else if (frame.type === "pause") this.#neighbours?.takes(from, false);
    else if (segment) this.#neighbours?.serve(segment, from, frame.piece);
  }

  /** A link is there: its member may need to know what it can ask for. */
  peerOpened(id: MemberId): void {
    this.#appetite?.greet(id);
    this.peerSwitched(id);
  }

  /** A member plays another rendition: it may lack what others had before it came. */
  peerSwitched(id: MemberId): void {
    for (const segment of this.#cache.all())
      if (segment.pieces.complete && this.#isRecent(segment)) this.#neighbours?.tell(segment, [id]);
  }

  /** The link to a peer is gone: what it owed is fetched by whoever waits for it. */
  peerLost(id: MemberId): void {
    this.#intake.forgetPeer(id);
    this.#neighbours?.lost(id);
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
    const segment = this.#cache.ensure(descriptor, this.#playhead ?? descriptor.sequence);
    this.#intake.known(segment);
    return segment;
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
    segment.requested.delete(index);
    this.#fetcher.came(segment, index);
    segment.arrived(now);
    if (!pieces.complete) return;
    this.#intake.forgetSegment(segment);
    this.#o.stats.segments.complete += 1;
    const tookMs = segment.tookMs(now);
    if (tookMs !== null && !this.startup.includes(descriptor.sequence))
      this.#o.stats.completed(Math.round(tookMs));
    segment.finish();
    this.#neighbours?.tell(segment);
  }

  #lookAtAppetite(): void {
    const newest = this.newestAnnounced(this.#o.variant());
    if (newest !== null) this.#appetite?.look(newest, this.#playhead);
  }

  #linked(): boolean {
    return (this.#o.mesh?.size ?? 0) > 0;
  }

  #startTicking(): void {
    this.#ticker ??= setInterval(() => {
      this.#tick();
    }, TICK_MS);
  }

  #tick(): void {
    let busy = false;
    for (const segment of this.#cache.all()) {
      if (segment.pieces.complete) continue;
      if (this.#isRecent(segment) && this.#linked() && this.#appetite?.hungry) {
        busy = true;
        this.#neighbours?.repair(segment);
      }
      if (segment.waiters.size === 0) continue;
      busy = true;
      this.#demand.consider(segment);
    }
    if (busy) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  /** Whether members still help each other with this segment. */
  #isRecent({ descriptor, announcedAt, waiters }: Segment): boolean {
    const { variant, sequence } = descriptor;
    const newest = this.#newestAnnounced.get(variant) ?? -1;
    // who has just chosen another rendition still gets what it waits for in this one
    const played = variant === this.#o.variant() || waiters.size > 0;
    const shared = announcedAt !== null && played;
    return shared && sequence > newest - REPAIRED_SEGMENTS;
  }

  /** Whether a peer may still bring this piece: its owner, or whoever steps in, or has it. */
  #expected(segment: Segment, piece: number): boolean {
    const { announcedAt, descriptor } = segment;
    if (announcedAt === null) return this.#o.sharing() && this.#isNews(descriptor);
    if (segment.sliceOf(piece) === undefined) return false;
    if (!this.#appetite?.hungry || isOverdue(segment, this.#o.now())) return false;
    return this.#isRecent(segment) && (this.#neighbours?.of(segment) ?? []).length > 0;
  }

  #owns({ slices }: Segment, index: number): boolean {
    const you = this.#o.you();
    return slices.some(({ owner, first, end }) => owner === you && first <= index && index < end);
  }
}
