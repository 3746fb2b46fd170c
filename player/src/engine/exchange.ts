/** The exchange of pieces in a live room: between peers, the store and the player. */

import { InterestSignal } from "./interest";
import type { Mesh } from "../webrtc/mesh";
import { PlayerRequests } from "./player-requests";
import { DownlinkEstimator } from "./downlink-estimator";
import { Downloads } from "./downloads";
import { PieceReceiver } from "./piece-receiver";
import type { TorrentSeedClient } from "./torrent-seed";
import { PieceSharing } from "./piece-sharing";
import type { Descriptor, MemberId, Sequence, Variant } from "../protocol/messages";
import type { PlannedSlice } from "../room/room";
import { isPastPeerDeadline } from "./deadline";
import type { Segment } from "./segment";
import { SegmentCache } from "./segment";
import { Startup } from "./stats";
import type { Stats } from "./stats";
import type { StoreClient } from "./store";
import type { Verify } from "./verify";
import { decodeFrame } from "../protocol/frames";

/** How often deadlines and late pieces are checked. */
const TICK_MS = 100;
/** Only the newest segments are repaired. A player that needs an older one fetches it. */
const REPAIRED_SEGMENTS = 3;

export interface ExchangeOptions {
  store: StoreClient;
  /** null if the torrent seed is unavailable or must not be used */
  seedClient: TorrentSeedClient | null;
  stats: Stats;
  /** null if the browser cannot hash; then nothing comes from peers */
  verify: Verify | null;
  mesh: Mesh | null;
  now: () => number;
  /** this viewer's id in its room */
  you: () => MemberId | null;
  /** the variant this viewer plays */
  variant: () => Variant;
  /** a member sent a piece with a wrong hash */
  onBadPiece: (from: MemberId) => void;
  /** seconds of video ahead of the playhead; 0 if there is nothing to play */
  bufferedS: () => number;
  /** seconds since the viewer paused; 0 during playback */
  pausedS: () => number;
  /** whether peers can be expected to deliver a segment that signaling has yet to announce */
  sharing: () => boolean;
}

export class Exchange {
  readonly startup: Startup;
  readonly downlink = new DownlinkEstimator();
  #options: ExchangeOptions;
  #cache: SegmentCache;
  #receiver: PieceReceiver;
  #playhead: Sequence | null = null;
  #newestAnnounced = new Map<Variant, Sequence>();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #downloads: Downloads;
  #playerRequests: PlayerRequests;
  /** null if this browser cannot share */
  #pieceSharing: PieceSharing | null;
  #interest: InterestSignal | null;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { mesh, stats, now, you, variant, pausedS } = options;
    this.startup = new Startup(now);
    this.#cache = new SegmentCache((segment) => {
      this.#receiver.discardSegment(segment);
      this.#downloads.evict(segment);
    });
    this.#receiver = new PieceReceiver({
      stats,
      cache: this.#cache,
      verify: (segment, index, bytes) => this.#verify(segment, index, bytes),
      onVerified: (segment, index, bytes, from) => {
        const { sequence } = segment.descriptor;
        stats.received("p2p", bytes.byteLength, this.startup.includes(sequence));
        this.#pieceSharing?.pieceArrived(segment, index, from);
        this.#addPiece(segment, index, bytes);
        this.#pieceSharing?.relay(segment, index);
      },
      onBadPiece: options.onBadPiece,
      expel: (from) => {
        mesh?.expel(from);
      },
    });
    this.#downloads = new Downloads({
      store: options.store,
      seedClient: options.seedClient,
      verify: (segment, index, bytes) => this.#verify(segment, index, bytes),
      onBytes: (source, segment, count) => {
        const { sequence } = segment.descriptor;
        options.stats.received(source, count, this.startup.includes(sequence));
      },
      downlink: this.downlink,
      now,
      isExpected: (segment, index) =>
        this.#isExpected(segment, index) && !this.#playerRequests.isStarved(segment),
      onVerified: (segment, index, bytes) => {
        this.#addPiece(segment, index, bytes);
        if (this.#owns(segment, index) || segment.successorDuties.has(index))
          this.#pieceSharing?.push(segment, index);
      },
    });
    const { store, bufferedS } = options;
    const downloads = this.#downloads;
    const isExpected = this.#isExpected.bind(this);
    const segments = () => this.#cache.all();
    const isDownlinkFull = () => this.downlink.isFull(now());
    const common = { store, downloads, segments, stats, now };
    this.#playerRequests = new PlayerRequests({
      ...common,
      startup: this.startup,
      bufferedS,
      isExpected,
      isDownlinkFull,
    });
    const isRecent = this.#isRecent.bind(this);
    this.#pieceSharing = mesh && new PieceSharing({ ...common, mesh, you, isRecent });
    this.#interest = mesh && new InterestSignal({ mesh, variant, pausedS });
  }

  /**
   * A segment was published and planned. Fetches and pushes this viewer's own slice, if it has one.
   */
  announced(descriptor: Descriptor, slices: readonly PlannedSlice[], ready: boolean): void {
    if (!this.#isNew(descriptor)) return;
    this.#newestAnnounced.set(descriptor.variant, descriptor.sequence);
    const segment = this.#segmentOf(descriptor);
    segment.announcedAt = this.#options.now();
    segment.slices = slices;
    this.startup.observe(descriptor.sequence, ready);
    this.#updateInterest();
    for (const index of segment.pieces.present()) {
      if (this.#owns(segment, index)) this.#pieceSharing?.push(segment, index);
      else this.#pieceSharing?.relay(segment, index);
    }
    // Without peers, pieces are fetched when the player asks for them. The seed takes longer than
    // the store, so what only the seed has is fetched now.
    if (slices.length > 1 || this.#hasLinks() || !descriptor.stored)
      for (const slice of slices)
        if (slice.owner === this.#options.you()) this.#downloads.fetch(segment, slice, "owner");
    if (this.#hasLinks()) this.#startTicking();
  }

  /** What the player is waiting for, and when peers were last late. */
  get playerRequests(): Pick<PlayerRequests, "lateAt" | "missing"> {
    return this.#playerRequests;
  }

  /** The newest announced segment of a variant; null before the first. */
  newestAnnounced(variant: Variant): Sequence | null {
    return this.#newestAnnounced.get(variant) ?? null;
  }

  /** The player requests a segment. Resolves once it is complete. */
  async want(descriptor: Descriptor, signal: AbortSignal): Promise<Segment> {
    signal.throwIfAborted();
    this.#playhead = descriptor.sequence;
    this.startup.observe(descriptor.sequence);
    this.#updateInterest();
    const segment = this.#segmentOf(descriptor);
    if (segment.pieces.complete) return segment;
    this.#startTicking();
    await this.#playerRequests.wait(segment, signal);
    return segment;
  }

  /** Handle a frame from a peer. */
  frame(from: MemberId, data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) {
      this.#options.mesh?.expel(from);
      return;
    }
    const segment = this.#cache.get(frame.variant, frame.sequence);
    if (frame.type === "piece") {
      this.downlink.addPeerBytes(frame.payload.byteLength, this.#options.now());
      this.#receiver.receive(segment, from, frame);
    } else if (frame.type === "have") segment?.availability.set(from, frame.pieces);
    else if (frame.type === "want") this.#pieceSharing?.setInterested(from, true);
    else if (frame.type === "pause") this.#pieceSharing?.setInterested(from, false);
    else if (segment) this.#pieceSharing?.serve(segment, from, frame.piece);
  }

  /** A link opened. Tells its member what it can request here. */
  linkOpened(id: MemberId): void {
    this.#interest?.onLinkOpened(id);
    this.memberSwitched(id);
  }

  /**
   * A member plays another variant now. Tells it which segments of that variant are here: the other
   * members were told earlier.
   */
  memberSwitched(id: MemberId): void {
    for (const segment of this.#cache.all())
      if (segment.pieces.complete && this.#isRecent(segment))
        this.#pieceSharing?.sendAvailability(segment, [id]);
  }

  /** A link was lost. Its pieces are repaired, or fetched when the player needs them. */
  linkLost(id: MemberId): void {
    this.#receiver.discardPeer(id);
    this.#pieceSharing?.linkLost(id);
    this.#tick();
  }

  close(): void {
    this.#downloads.close();
    clearInterval(this.#ticker);
  }

  /**
   * Whether a segment is newer than all announced ones, and not behind the playhead. After a
   * restart, signaling may announce old segments again, which nobody is waiting for.
   */
  #isNew({ variant, sequence }: Descriptor): boolean {
    const newest = this.#newestAnnounced.get(variant) ?? -1;
    return sequence > newest && sequence >= (this.#playhead ?? 0);
  }

  #segmentOf(descriptor: Descriptor): Segment {
    const segment = this.#cache.getOrAdd(descriptor, this.#playhead ?? descriptor.sequence);
    this.#receiver.onSegmentKnown(segment);
    return segment;
  }

  async #verify(
    { descriptor }: Segment,
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    const hash = descriptor.pieceHashes[index] ?? "";
    // without WebCrypto there are no peers, and the store is trusted
    const isIntact = !this.#options.verify || (await this.#options.verify(bytes, hash));
    if (!isIntact) this.#options.stats.segments.bad_pieces += 1;
    return isIntact;
  }

  #addPiece(segment: Segment, index: number, bytes: Uint8Array<ArrayBuffer>): void {
    const now = this.#options.now();
    const { pieces, descriptor } = segment;
    pieces.put(index, bytes);
    segment.peerRequests.delete(index);
    this.#downloads.pieceArrived(segment, index);
    segment.arrived(now);
    if (!pieces.complete) return;
    this.#receiver.discardSegment(segment);
    this.#options.stats.segments.complete += 1;
    const tookMs = segment.completionMs(now);
    if (tookMs !== null && !this.startup.includes(descriptor.sequence))
      this.#options.stats.completed(Math.round(tookMs));
    segment.deliver();
    this.#pieceSharing?.sendAvailability(segment);
  }

  #updateInterest(): void {
    const newest = this.newestAnnounced(this.#options.variant());
    if (newest !== null) this.#interest?.update(newest, this.#playhead);
  }

  #hasLinks(): boolean {
    return (this.#options.mesh?.size ?? 0) > 0;
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
      if (this.#isRecent(segment) && this.#hasLinks() && this.#interest?.interested) {
        busy = true;
        this.#pieceSharing?.repair(segment);
      }
      if (segment.waiters.size === 0) continue;
      busy = true;
      this.#playerRequests.checkDeadline(segment);
    }
    if (busy) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  /** Whether members still exchange pieces of this segment. */
  #isRecent({ descriptor, announcedAt, waiters }: Segment): boolean {
    const { variant, sequence } = descriptor;
    const newest = this.#newestAnnounced.get(variant) ?? -1;
    // after a switch of variants, the player may still be waiting for a segment of the old one
    const isPlayed = variant === this.#options.variant() || waiters.size > 0;
    const exchanged = announcedAt !== null && isPlayed;
    return exchanged && sequence > newest - REPAIRED_SEGMENTS;
  }

  /** Whether a peer may still deliver this piece: its owner, a successor, or any holder. */
  #isExpected(segment: Segment, piece: number): boolean {
    const { announcedAt, descriptor } = segment;
    if (announcedAt === null) return this.#options.sharing() && this.#isNew(descriptor);
    if (segment.sliceOf(piece) === undefined) return false;
    if (!this.#interest?.interested || isPastPeerDeadline(segment, this.#options.now()))
      return false;
    return this.#isRecent(segment) && (this.#pieceSharing?.membersFor(segment) ?? []).length > 0;
  }

  #owns({ slices }: Segment, index: number): boolean {
    const you = this.#options.you();
    return slices.some(({ owner, first, end }) => owner === you && first <= index && index < end);
  }
}
