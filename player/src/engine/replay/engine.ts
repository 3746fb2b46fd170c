/**
 * The replay engine: gets segments for the player from other viewers of the replay and the store.
 */

import type { Fragment } from "../engine";
import type { ReplayDescriptor } from "./descriptors";
import { ReplayDescriptors } from "./descriptors";
import type { Platform } from "../options";
import type { Sequence, Variant } from "../../protocol/messages";
import { Room } from "../../room/room";
import { Stats } from "../stats";
import type { ByteRange } from "../store";
import { StoreClient } from "../store";
import type { JoinToken } from "../../room/signaling";
import { JoinTokens } from "../../room/signaling";
import { verifier } from "../verify";
import { URGENT_BUFFER_S } from "./policy";
import { ReplayExchange } from "./exchange";

const REPORT_INTERVAL_MS = 10_000;
/** With little buffered, the longest wait for the hash list. */
const LIST_TIMEOUT_MS = 1_500;

export interface ReplayEngineOptions {
  platform: Platform;
  /** seconds of video ahead of the playhead; 0 if there is nothing to play */
  bufferedS: () => number;
  /** `/ws/room` */
  room: URL;
  /** id of the replay */
  replay: string;
  /** the replay's `…/segments.json` */
  hashes: URL;
  joinToken: JoinToken;
  renewJoinToken: (signal: AbortSignal) => Promise<JoinToken>;
  iceServers: RTCIceServer[];
  /** whether this viewer uploads */
  upload: boolean;
  /** the viewer's upload cap, bit/s, read whenever it matters; null: none */
  uploadCapBps: () => number | null;
  /** resolves once links may be made, because there is a picture */
  mayConnect: Promise<void>;
  onOutdated: () => void;
  log: (line: string) => void;
}

export class ReplayEngine {
  readonly stats = new Stats();
  #options: ReplayEngineOptions;
  #descriptors: ReplayDescriptors;
  #store: StoreClient;
  #exchange: ReplayExchange;
  #room: Room;
  #variant: Variant = 0;
  #reporter: ReturnType<typeof setInterval>;

  constructor(options: ReplayEngineOptions) {
    this.#options = options;
    const { fetch, now, subtle, PeerConnection } = options.platform;
    this.#descriptors = new ReplayDescriptors(options.hashes, fetch, now);
    this.#store = new StoreClient({ fetch, now });
    this.#room = new Room({
      url: options.room,
      replay: options.replay,
      WebSocket: options.platform.WebSocket,
      tokens: new JoinTokens({ first: options.joinToken, renew: options.renewJoinToken, now }),
      PeerConnection: subtle && PeerConnection,
      iceServers: options.iceServers,
      upload: options.upload,
      uploadCapBps: options.uploadCapBps,
      mayConnect: options.mayConnect,
      now,
      variant: () => this.#variant,
      onJoined: (isRejoin) => {
        if (isRejoin) this.stats.rejoined();
      },
      onSignalingLost: () => undefined,
      // nothing is announced in rooms of a replay
      onSegment: () => undefined,
      onStream: () => undefined,
      onOutdated: options.onOutdated,
      onFrame: (from, data) => {
        this.#exchange.frame(from, data);
      },
      onLinkOpened: (id) => {
        this.#exchange.linkOpened(id);
      },
      onLinkLost: (id) => {
        this.#exchange.linkLost(id);
      },
      // availability is sent for all variants from the start
      onMemberSwitched: () => undefined,
      onSent: (bytes) => {
        this.stats.uploaded(bytes);
      },
      log: options.log,
    });
    this.#exchange = new ReplayExchange({
      store: this.#store,
      stats: this.stats,
      verify: subtle && verifier(subtle),
      mesh: this.#room.mesh,
      now,
      you: () => this.#room.you,
      mayConnect: options.mayConnect,
      isLinking: () => this.membership.members > 1 && this.peers === 0,
      bufferedS: options.bufferedS,
      onBadPiece: (member) => {
        this.#room.send({ type: "report", member });
      },
    });
    this.#reporter = setInterval(() => {
      this.report();
    }, REPORT_INTERVAL_MS);
  }

  /** Number of open links. */
  get peers(): number {
    return this.#room.peers;
  }
  /** Whether the store is failing for this viewer. */
  get storeFailing(): boolean {
    return this.#store.health.failing;
  }
  /** This viewer's id, room and readiness. */
  get membership() {
    return this.#room.membership;
  }

  /**
   * Deliver a segment to the player. A segment without a hash comes from the store unverified.
   *
   * @throws when the store does not have it, or not intact, or when `signal` is aborted
   */
  async fragment(url: string, _: Sequence, signal: AbortSignal): Promise<Fragment> {
    const descriptor = await this.#findDescriptor(url);
    signal.throwIfAborted();
    if (!descriptor) {
      const startedAt = this.#options.platform.now();
      const data = await this.resource(url, null, signal);
      return { data, transferMs: this.#options.platform.now() - startedAt };
    }
    this.#setVariant(descriptor.variant);
    const segment = await this.#exchange.want(descriptor, signal);
    return { data: segment.pieces.copy(), transferMs: segment.transferMs };
  }

  /** Fetch a resource that is never shared (an init segment, a byte range) from the store. */
  resource(url: string, range: ByteRange | null, signal: AbortSignal): Promise<ArrayBuffer> {
    const onBytes = (count: number): void => {
      this.stats.received("store", count, false);
    };
    return this.#store.read(url, range, { signal, onBytes });
  }

  /** Send this viewer's stats to signaling. */
  report(): void {
    if (!this.#room.joined) return;
    const report = this.stats.report(this.peers, null, null);
    if (this.#room.send(report)) this.stats.reported();
  }

  close(): void {
    this.report();
    clearInterval(this.#reporter);
    this.#room.close();
    this.#exchange.close();
  }

  /** The descriptor of a segment; undefined also if playback cannot wait for the hash list. */
  #findDescriptor(url: string): Promise<ReplayDescriptor | undefined> {
    const found = this.#descriptors.find(url);
    if (this.#options.bufferedS() >= URGENT_BUFFER_S) return found;
    const timeout = new Promise<undefined>((resolve) => {
      setTimeout(resolve, LIST_TIMEOUT_MS, undefined);
    });
    return Promise.race([found, timeout]);
  }

  #setVariant(variant: Variant): void {
    if (variant === this.#variant) return;
    this.#variant = variant;
    this.#room.switch(variant);
  }
}
