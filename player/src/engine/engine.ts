/** The engine: segments for the player, from the room and the store. */

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
/** While signaling is away the list of segments is looked at about once a segment. */
const MIN_LOOKUPS_PER_SEGMENT = 1;
const MAX_LOOKUPS_PER_SEGMENT = 2;
/** Assumed until a segment is known. */
const INITIAL_DURATION_S = 5;

/** What the network does for this viewer now. */
export interface Network {
  /** what its link brings, bit/s; null while unknown */
  bps: number | null;
  /** when pieces had to be fetched last because peers were late, ms; -Infinity: never */
  lateAt: number;
  /** of what the player waits for, bytes */
  missing: Missing;
  /** how long the slowest of the last segments took; null if unknown */
  completionMs: number | null;
}

/** Whether this browser can share, and what it lacks if not. */
export type Sharing = "able" | "no WebRTC" | "no WebCrypto";

/** A fragment for the player: a copy of the bytes, and how long the network took for them. */
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
      onJoined: (again) => {
        this.#onJoined(again);
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
      // what comes from there must be verified
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

  /** Open links to other viewers. */
  get peers(): number {
    return this.#room.peers;
  }
  /** Whether the store does not answer this viewer. */
  get storeFailing(): boolean {
    return this.#store.health.failing;
  }
  /** What rendition and delay are chosen by. */
  get network(): Network {
    const { downlink, playerRequests } = this.#exchange;
    const { lateAt, missing } = playerRequests;
    const completionMs = this.stats.completionMs.worst;
    return { bps: downlink.bps(this.#options.platform.now()), lateAt, missing, completionMs };
  }
  /** Who and where this viewer is in its room. */
  get membership() {
    return this.#room.membership;
  }

  /**
   * Deliver a segment to the player, from peers and the store. Playback never depends on sharing:
   * a segment without a descriptor comes from the store as it is.
   *
   * @param sequence its media sequence number
   * @throws when the store has it not, or not intact, or when `signal` is aborted
   */
  async fragment(url: string, sequence: Sequence, signal: AbortSignal): Promise<Fragment> {
    const variant = variantOf(url);
    if (variant !== null) this.#setVariant(variant);
    const descriptor =
      variant === null ? undefined : await this.#descriptors.find(url, variant, sequence);
    signal.throwIfAborted();
    if (!descriptor) {
      const begun = this.#options.platform.now();
      const data = await this.resource(url, null, signal, sequence);
      return { data, transferMs: this.#options.platform.now() - begun };
    }
    this.#announceIfSignalingLost(descriptor);
    const segment = await this.#exchange.want(descriptor, signal);
    return { data: segment.pieces.copy(), transferMs: segment.transferMs };
  }

  /**
   * Fetch what is never shared (an init segment, a byte range) from the store.
   *
   * @param sequence of the segment that it is a part of; null for an init segment
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
   * The player will ask for another rendition when it has the segment that it waits for: the next one
   * is not to come twice.
   *
   * @param playlistUrl of that rendition
   */
  willSwitchTo(playlistUrl: string): void {
    const variant = variantOf(playlistUrl);
    if (variant !== null) this.#setVariant(variant);
  }

  /** Tell signaling this viewer's figures. */
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

  /** The player asks for this rendition: from now on it is the one that this viewer shares. */
  #setVariant(variant: Variant): void {
    if (variant === this.#variant) return;
    this.#variant = variant;
    this.#room.switch(variant);
  }

  #onJoined(isRejoin: boolean): void {
    clearTimeout(this.#lookupTimer);
    if (isRejoin) this.stats.rejoined();
    // what was missed while signaling was away must not come too soon to be believed
    this.#startReporting();
  }

  /** A segment is in the list; without signaling nobody else will announce it. */
  #announceIfSignalingLost(descriptor: Descriptor): void {
    if (this.#room.signalingLost) this.#announce(descriptor);
  }

  /** A segment was published; without an epoch, the last roster shares it out. */
  #announce(descriptor: Descriptor, epoch?: number): void {
    this.#segmentS = descriptor.duration;
    // shortage must not go on until the next report is due
    if (!this.#uplinkReported && this.#room.uplinkBps !== null) this.report();
    const { slices, ready } = this.#room.plan(descriptor, epoch);
    this.#exchange.announced(descriptor, slices, ready);
  }

  /** Signaling is away: the peers count on this viewer to find out soon what it is to fetch. */
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
