/** The live engine: gets segments for the player from the room and the store. */

import type { Missing } from "./player-requests";
import { Descriptors, variantOf } from "./descriptors";
import { Exchange } from "./exchange";
import { TorrentSeedClient } from "./torrent-seed";
import type { EngineOptions } from "./options";
import type { Descriptor, Sequence, Variant } from "../protocol/messages";
import { Room } from "../room/room";
import { Stats } from "./stats";
import type { ByteRange } from "./store";
import { StoreClient } from "./store";
import { JoinTokens } from "../room/signaling";
import { verifier } from "./verify";

const REPORT_INTERVAL_MS = 10_000;
/** While signaling is lost, the segment list is requested about once per segment. */
const MIN_LOOKUPS_PER_SEGMENT = 1;
const MAX_LOOKUPS_PER_SEGMENT = 2;
/** Assumed until the first segment is known. */
const INITIAL_DURATION_S = 5;

/** The state of the network, for choosing variant and latency. */
export interface Network {
  /** estimated downlink, bit/s; null while unknown */
  bps: number | null;
  /** when pieces last had to be fetched because peers were late, ms; -Infinity: never */
  lateAt: number;
  /** what the player is waiting for, bytes */
  missing: Missing;
  /** how long the slowest of the last segments took, ms; null if unknown */
  completionMs: number | null;
}

/** Whether this browser can share, and if not, what it lacks. */
export type Sharing = "able" | "no WebRTC" | "no WebCrypto";

/** A segment for the player: a copy of its bytes, and how long the network was busy with it. */
export interface Fragment {
  data: ArrayBuffer;
  transferMs: number;
}

export class Engine {
  readonly stats = new Stats();
  readonly sharing: Sharing;
  #options: EngineOptions;
  #descriptors: Descriptors;
  #store: StoreClient;
  #exchange: Exchange;
  #room: Room;
  #variant: Variant = 0;
  #uplinkReported = false;
  #segmentS = INITIAL_DURATION_S;
  #lookupTimer: ReturnType<typeof setTimeout> | undefined;
  #reporter: ReturnType<typeof setInterval> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { platform, player, iceServers, seed } = options;
    const { fetch, now, subtle, PeerConnection } = platform;
    this.sharing = !PeerConnection ? "no WebRTC" : !subtle ? "no WebCrypto" : "able";
    this.#descriptors = new Descriptors(options.segments, fetch);
    this.#store = new StoreClient({ fetch, now });
    this.#room = new Room({
      url: options.room,
      WebSocket: platform.WebSocket,
      tokens: new JoinTokens({ first: options.joinToken, renew: options.renewJoinToken, now }),
      PeerConnection: subtle && PeerConnection,
      iceServers,
      upload: options.upload,
      uploadCapBps: options.uploadCapBps ?? (() => null),
      mayConnect: options.mayConnect,
      now,
      variant: () => this.#variant,
      onJoined: (isRejoin) => {
        this.#onJoined(isRejoin);
      },
      onSignalingLost: () => {
        this.#scheduleLookup();
      },
      onSegment: ({ epoch, descriptor }) => {
        this.#descriptors.add(descriptor);
        this.#announce(descriptor, epoch);
        if (descriptor.variant === this.#variant) options.onPublished(descriptor.sequence);
      },
      onStream: options.onStream,
      onOutdated: options.onOutdated,
      onFrame: (from, data) => {
        this.#exchange.frame(from, data);
      },
      onLinkOpened: (id) => {
        this.#exchange.linkOpened(id);
      },
      onMemberSwitched: (id) => {
        this.#exchange.memberSwitched(id);
      },
      onLinkLost: (id) => {
        this.#exchange.linkLost(id);
      },
      onSent: (bytes) => {
        this.stats.uploaded(bytes);
      },
      log: options.log,
    });
    this.#exchange = new Exchange({
      store: this.#store,
      // pieces from the seed must be verified
      seedClient:
        seed && this.sharing === "able"
          ? new TorrentSeedClient({ ...seed, iceServers, now })
          : null,
      stats: this.stats,
      verify: subtle && verifier(subtle),
      mesh: this.#room.mesh,
      now,
      you: () => this.#room.you,
      variant: () => this.#variant,
      onBadPiece: (member) => {
        this.#room.send({ type: "report", member });
      },
      bufferedS: player.bufferedS,
      pausedS: player.pausedS,
      sharing: () => this.#room.sharing,
    });
    this.#startReporting();
  }

  /** Number of open links. */
  get peers(): number {
    return this.#room.peers;
  }
  /** Whether the store is failing for this viewer. */
  get storeFailing(): boolean {
    return this.#store.health.failing;
  }
  /** The state of the network, for choosing variant and latency. */
  get network(): Network {
    const { downlink, playerRequests } = this.#exchange;
    const { lateAt, missing } = playerRequests;
    const completionMs = this.stats.completionMs.worst;
    return { bps: downlink.bps(this.#options.platform.now()), lateAt, missing, completionMs };
  }
  /** This viewer's id, room and readiness. */
  get membership() {
    return this.#room.membership;
  }

  /**
   * Deliver a segment to the player, from peers and the store. Playback never depends on sharing: a
   * segment without a descriptor comes from the store unverified.
   *
   * @param sequence its media sequence number
   * @throws when the store does not have it, or not intact, or when `signal` is aborted
   */
  async fragment(url: string, sequence: Sequence, signal: AbortSignal): Promise<Fragment> {
    const variant = variantOf(url);
    if (variant !== null) this.#setVariant(variant);
    const descriptor =
      variant === null ? undefined : await this.#descriptors.find(url, variant, sequence);
    signal.throwIfAborted();
    if (!descriptor) {
      const startedAt = this.#options.platform.now();
      const data = await this.resource(url, null, signal, sequence);
      return { data, transferMs: this.#options.platform.now() - startedAt };
    }
    this.#announceIfSignalingLost(descriptor);
    const segment = await this.#exchange.want(descriptor, signal);
    return { data: segment.pieces.copy(), transferMs: segment.transferMs };
  }

  /**
   * Fetch a resource that is never shared (an init segment, a byte range) from the store.
   *
   * @param sequence the segment that it belongs to; null for an init segment
   */
  resource(
    url: string,
    range: ByteRange | null,
    signal: AbortSignal,
    sequence: Sequence | null,
  ): Promise<ArrayBuffer> {
    const { startup } = this.#exchange;
    if (sequence !== null) startup.observe(sequence);
    const onBytes = (count: number): void => {
      this.stats.received("store", count, startup.includes(sequence));
    };
    return this.#store.read(url, range, { signal, onBytes });
  }

  /**
   * The player will switch variants after the segment it is waiting for. Shares the new variant
   * from now on, so that the next segment is not downloaded in both.
   *
   * @param playlistUrl media playlist of the new variant
   */
  willSwitchTo(playlistUrl: string): void {
    const variant = variantOf(playlistUrl);
    if (variant !== null) this.#setVariant(variant);
  }

  /** Send this viewer's stats to signaling. */
  report(): void {
    if (!this.#room.joined) return;
    const { uplinkBps } = this.#room;
    this.#uplinkReported = uplinkBps !== null;
    const report = this.stats.report(this.peers, this.#options.player.latencyS(), uplinkBps);
    if (this.#room.send(report)) this.stats.reported();
  }

  close(): void {
    this.report();
    clearInterval(this.#reporter);
    clearTimeout(this.#lookupTimer);
    this.#room.close();
    this.#exchange.close();
  }

  /** The player requests this variant: it is the one to share from now on. */
  #setVariant(variant: Variant): void {
    if (variant === this.#variant) return;
    this.#variant = variant;
    this.#room.switch(variant);
  }

  #onJoined(isRejoin: boolean): void {
    clearTimeout(this.#lookupTimer);
    if (isRejoin) this.stats.rejoined();
    // the first report after an interruption must not come so soon that signaling finds it
    // implausible
    this.#startReporting();
  }

  /** Announce a segment from the list, if signaling is lost: nobody else will. */
  #announceIfSignalingLost(descriptor: Descriptor): void {
    if (this.#room.signalingLost) this.#announce(descriptor);
  }

  /** A segment was published. Without an epoch it is planned with the newest roster. */
  #announce(descriptor: Descriptor, epoch?: number): void {
    this.#segmentS = descriptor.duration;
    // signaling should learn of a short uplink before the next regular report
    if (!this.#uplinkReported && this.#room.uplinkBps !== null) this.report();
    const { slices, ready } = this.#room.plan(descriptor, epoch);
    this.#exchange.announced(descriptor, slices, ready);
  }

  /** Signaling is lost. Peers count on this viewer to find out soon what it has to fetch. */
  #scheduleLookup(): void {
    const lookups =
      MIN_LOOKUPS_PER_SEGMENT + Math.random() * (MAX_LOOKUPS_PER_SEGMENT - MIN_LOOKUPS_PER_SEGMENT);
    clearTimeout(this.#lookupTimer);
    this.#lookupTimer = setTimeout(
      () => void this.#lookUpSegments(),
      (this.#segmentS * 1000) / lookups,
    );
  }

  async #lookUpSegments(): Promise<void> {
    if (this.#room.joined) return;
    this.#scheduleLookup();
    const newest = this.#exchange.newestAnnounced(this.#variant);
    if (!this.#room.signalingLost || newest === null) return;
    for (const descriptor of await this.#descriptors.fetchAfter(newest, this.#variant))
      this.#announceIfSignalingLost(descriptor);
  }

  #startReporting(): void {
    clearInterval(this.#reporter);
    this.#reporter = setInterval(() => {
      this.report();
      if (this.#options.player.playing())
        for (const line of this.stats.consoleLines) this.#options.log(line);
    }, REPORT_INTERVAL_MS);
  }
}
