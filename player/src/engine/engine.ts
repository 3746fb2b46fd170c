/** The engine: ties the room (signaling, roster, links) to the exchange of pieces. */

import type { PeerConnectionConstructor } from "./connection";
import { Mesh } from "./connections";
import { Descriptors, variantOf } from "./descriptors";
import { Exchange } from "./exchange";
import { plan } from "./plan";
import type { RoomMessage, SegmentMessage, Sequence, ServerMessage, Variant } from "./protocol";
import { Roster, mayBeReady } from "./roster";
import { Signaling } from "./signaling";
import { Stats } from "./stats";
import type { ByteRange } from "./store";
import { Store } from "./store";
import { verifier } from "./verify";

const REPORT_INTERVAL_MS = 10_000;

/** What the engine takes from its surroundings: a browser, or Node with stand-ins. */
export interface Platform {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
  /** null where there is no WebRTC */
  PeerConnection: PeerConnectionConstructor | null;
  /** null outside secure contexts */
  subtle: SubtleCrypto | null;
  /** milliseconds, monotonic */
  now: () => number;
}

/** What the engine asks its player. */
export interface Player {
  /** seconds of video ahead of the playhead; 0 when there is nothing to play */
  bufferedS: () => number;
  /** seconds behind live, null while unknown */
  latencyS: () => number | null;
  playing: () => boolean;
}

export interface EngineOptions {
  platform: Platform;
  player: Player;
  /** `/ws/room` */
  room: URL;
  /** `/live/segments.json` */
  segments: URL;
  iceServers: RTCIceServer[];
  /** signaling says that a stream is on air, or that none is */
  onStream: (live: boolean) => void;
  /** a line for the console */
  log: (line: string) => void;
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
  #o: EngineOptions;
  #roster = new Roster();
  #descriptors: Descriptors;
  #store: Store;
  #exchange: Exchange;
  #mesh: Mesh | null = null;
  #signaling: Signaling;
  #variant: Variant = 0;
  #saidReady = false;
  #reporter: ReturnType<typeof setInterval>;

  constructor(options: EngineOptions) {
    this.#o = options;
    const { platform, player, iceServers } = options;
    const { fetch, now, subtle, PeerConnection } = platform;
    this.sharing = !PeerConnection ? "no WebRTC" : !subtle ? "no WebCrypto" : "able";
    this.#descriptors = new Descriptors(options.segments, fetch);
    this.#store = new Store({ fetch, now });
    if (PeerConnection && subtle) {
      this.#mesh = new Mesh({
        PeerConnection,
        iceServers,
        now,
        signal: (to, data) => {
          this.#signaling.send({ type: "signal", to, data });
        },
        plays: (id, variant) => this.#roster.plays(id, variant),
        opened: () => {
          options.log(`🤝 Peer connected (Total: ${this.peers})`);
          this.#offerReadiness();
        },
        lost: (id) => {
          this.#exchange.peerLost(id);
          this.#offerReadiness();
        },
        message: (from, data) => {
          this.#exchange.frame(from, data);
        },
        sent: (bytes) => {
          this.stats.uploaded(bytes);
        },
      });
    }
    this.#exchange = new Exchange({
      store: this.#store,
      stats: this.stats,
      verify: subtle && verifier(subtle),
      mesh: this.#mesh,
      now,
      you: () => this.#roster.you,
      bufferedS: player.bufferedS,
      sharing: () => this.#signaling.joined && this.#roster.ready && this.peers > 0,
    });
    this.#signaling = new Signaling({
      url: options.room,
      WebSocket: platform.WebSocket,
      variant: () => this.#variant,
      sharing: this.#mesh !== null,
      onMessage: (message) => {
        this.#onMessage(message);
      },
    });
    this.#reporter = setInterval(() => {
      this.report();
      if (player.playing()) this.#logShare();
    }, REPORT_INTERVAL_MS);
  }

  /** Open links to other viewers. */
  get peers(): number {
    return this.#mesh?.size ?? 0;
  }

  /** Who and where this viewer is in its room. */
  get membership() {
    const { you, room, epoch, ready, size } = this.#roster;
    return { id: you, room, epoch, ready, members: size };
  }

  /**
   * Deliver a segment to the player, from peers and the store. Playback never depends on sharing:
   * a segment without a descriptor comes from the store as it is.
   *
   * @param sequence its media sequence number
   * @throws when the store has it not, or not intact
   */
  async fragment(url: string, sequence: Sequence, signal: AbortSignal): Promise<Fragment> {
    const variant = variantOf(url);
    if (variant !== null) this.#play(variant);
    const descriptor =
      variant === null ? undefined : await this.#descriptors.find(url, variant, sequence);
    if (!descriptor) {
      const begun = this.#o.platform.now();
      const data = await this.resource(url, null, signal, sequence);
      return { data, transferMs: this.#o.platform.now() - begun };
    }
    const segment = await this.#exchange.want(descriptor, signal);
    return { data: segment.pieces.copy(), transferMs: segment.transferMs };
  }

  /** Fetch what is never shared (an init segment, a byte range) from the store. */
  resource(
    url: string,
    range: ByteRange | null,
    signal: AbortSignal,
    sequence: Sequence,
  ): Promise<ArrayBuffer> {
    const onBytes = (count: number): void => {
      this.stats.received("store", count, this.#exchange.isStartup({ sequence }));
    };
    return this.#store.read(url, range, { signal, onBytes });
  }

  /** Tell signaling this viewer's figures. */
  report(): void {
    this.#signaling.send(this.stats.report(this.peers, this.#o.player.latencyS()));
  }

  close(): void {
    this.report();
    clearInterval(this.#reporter);
    this.#signaling.close();
    this.#mesh?.retain(new Set());
    this.#exchange.close();
  }

  /** The player asks for this rendition: from now on it is the one that this viewer shares. */
  #play(variant: Variant): void {
    if (variant === this.#variant) return;
    this.#variant = variant;
    this.#signaling.send({ type: "variant", variant });
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "room":
        this.#onRoom(message);
        break;
      case "segment":
        this.#onSegment(message);
        break;
      case "signal":
        void this.#mesh?.accept(message.from, message.data);
        break;
      case "stream":
        this.#o.onStream(message.live);
        break;
      case "error":
        this.#o.log(`Signaling refused: ${message.message} (${message.code})`);
        break;
    }
  }

  #onRoom(message: RoomMessage): void {
    const wasMember = this.#roster.you !== null;
    const joined = this.#roster.apply(message);
    if (joined) {
      if (wasMember) this.stats.rejoined();
      this.#exchange.rejoined();
      this.#saidReady = false;
      // the others know this viewer under its new id: links made under the old one are theirs to drop
      this.#mesh?.retain(new Set());
      this.#mesh?.call(this.#roster.first);
    } else {
      this.#mesh?.retain(new Set(this.#roster.others));
    }
    this.#offerReadiness();
  }

  #onSegment({ epoch, descriptor }: SegmentMessage): void {
    this.#descriptors.add(descriptor);
    const { variant, sequence, size, pieceSize } = descriptor;
    const ready = this.#roster.readyAt(epoch, variant) ?? [];
    const { you } = this.#roster;
    this.#exchange.announced(
      descriptor,
      plan(ready, sequence, size, pieceSize),
      you !== null && ready.includes(you),
    );
  }

  #offerReadiness(): void {
    const mesh = this.#mesh;
    if (!mesh || this.#saidReady || this.#roster.you === null) return;
    const isOpen = mesh.isOpen.bind(mesh);
    const hasFailed = (id: string): boolean => !mesh.isOpen(id) && !mesh.isPending(id);
    if (!mayBeReady(this.#roster.first, isOpen, hasFailed)) return;
    this.#saidReady = true;
    this.#signaling.send({ type: "ready" });
  }

  #logShare(): void {
    const { p2p, store } = this.stats.total.bytes;
    const { share } = this.stats;
    this.#o.log(`📥 P2P: ${megabytes(p2p)} | HTTP: ${megabytes(store)}`);
    this.#o.log(`💰 CDN Offload: ${Math.round((share ?? 0) * 100)}%`);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)}MB`;
}
