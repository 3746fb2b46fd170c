/** The mesh: one connection to each member of the room, negotiated through signaling. */

import type { PeerConnectionConstructor } from "./connection";
import { Connection } from "./connection";
import type { QueuedPiece } from "./uplink";
import { Link, UplinkScheduler } from "./uplink";
import type { MemberId, SignalData, Variant } from "../protocol/messages";

const MAX_UNFINISHED_OFFERS = 6;
/** A room has at most 32 members. */
const MAX_CONNECTIONS = 31;
/** A failed connection is retried after 2, 4, 8, … seconds. */
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;
const RETRY_JITTER = 0.25;

export interface MeshOptions {
  PeerConnection: PeerConnectionConstructor;
  iceServers: RTCIceServer[];
  now: () => number;
  sendSignal: (to: MemberId, data: SignalData) => void;
  /** whether a member may be playing this variant */
  mayPlay: (id: MemberId, variant: Variant) => boolean;
  onLinkOpened: (id: MemberId) => void;
  /** a link was lost, or a connection attempt failed */
  onLinkLost: (id: MemberId) => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  /** payload bytes handed to a data channel */
  onSent: (bytes: number) => void;
  /** false if this viewer does not upload */
  upload: boolean;
  /** the viewer's upload cap, bit/s; null: none */
  uploadCapBps: () => number | null;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

export class Mesh {
  #options: MeshOptions;
  #connections = new Map<MemberId, Connection>();
  #links = new Map<MemberId, Link>();
  #uplink: UplinkScheduler;
  /** members still to be offered to, without those in `#offering` */
  #pendingOffers: MemberId[] = [];
  #offering = new Set<MemberId>();
  /** consecutive failures for each member that this one offers to */
  #failures = new Map<MemberId, number>();
  #retries = new Map<MemberId, ReturnType<typeof setTimeout>>();
  /** members to whom the last attempt failed, no matter which side made the offer */
  #unreachable = new Set<MemberId>();
  /** members that broke the protocol */
  #expelled = new Set<MemberId>();

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#uplink = new UplinkScheduler(options.now, options.onSent, options.uploadCapBps);
  }

  /** Measured uplink to other members, bit/s; null if unknown. */
  get uplinkBps(): number | null {
    return this.#uplink.bps;
  }
  /** Whether this viewer sends pieces to members. */
  get uploads(): boolean {
    return this.#options.upload;
  }
  /** Number of open links. */
  get size(): number {
    return this.#links.size;
  }

  isOpen(id: MemberId): boolean {
    return this.#links.has(id);
  }
  /** Whether a connection to this member is being made or is queued. */
  isPending(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#connections.has(id) || this.#pendingOffers.includes(id));
  }
  /** Whether there is no link to this member and none is to be expected soon. */
  hasFailed(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#unreachable.has(id) || !this.isPending(id));
  }
  /** Whether there is no link to this member and the last attempt failed. */
  isUnreachable(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#unreachable.has(id) || this.#expelled.has(id));
  }
  /** Number of members to whom the last attempt failed. */
  get unreachableCount(): number {
    return this.#unreachable.size;
  }
  /** When the link to this member opened, ms; null without a link. */
  openedAt(id: MemberId): number | null {
    return this.#links.get(id)?.openedAt ?? null;
  }

  /** Connect to these members, at most six at a time, and reconnect whenever a link is lost. */
  connect(ids: readonly MemberId[]): void {
    for (const id of ids) this.#failures.set(id, 0);
    this.#pendingOffers.push(...ids);
    this.#offerNext();
  }

  /** Handle a member's signal. An offer creates a connection. */
  async accept(from: MemberId, data: SignalData): Promise<void> {
    if ("description" in data && data.description.type === "offer") {
      if (this.#expelled.has(from)) return;
      this.#close(from);
      if (this.#connections.size >= MAX_CONNECTIONS) return;
      await this.#createConnection(from).accept(data);
    } else {
      await this.#connections.get(from)?.accept(data);
    }
  }

  /** Close the connections to all members that are not in `ids`, and forget those members. */
  retain(ids: ReadonlySet<MemberId>): void {
    this.#pendingOffers = this.#pendingOffers.filter((id) => ids.has(id));
    const collections = [this.#connections, this.#failures, this.#unreachable, this.#expelled];
    for (const id of collections.flatMap((members) => [...members.keys()])) {
      if (ids.has(id)) continue;
      this.#unreachable.delete(id);
      this.#expelled.delete(id);
      this.#close(id);
    }
  }

  /** Close the connection to a member for good. */
  expel(id: MemberId): void {
    this.#expelled.add(id);
    this.#close(id);
  }

  /** Close the connection to a member, open or not. It is not retried. */
  #close(id: MemberId): void {
    this.#failures.delete(id);
    clearTimeout(this.#retries.get(id));
    this.#retries.delete(id);
    const connection = this.#connections.get(id);
    if (!connection) return;
    connection.close();
    this.#remove(id);
  }

  /** Ids of all linked members. */
  get linked(): MemberId[] {
    return [...this.#links.keys()];
  }
  /** Ids of the linked members that may be playing this variant. */
  playing(variant: Variant): MemberId[] {
    return [...this.#links.keys()].filter((id) => this.#options.mayPlay(id, variant));
  }

  /**
   * Ignore this link in the uplink estimate for a while: whatever waits on it does not wait for
   * this viewer's uplink.
   */
  excludeFromEstimate(id: MemberId): void {
    const link = this.#links.get(id);
    if (link) this.#uplink.excludeFromEstimate(link);
  }

  /** Queue a piece for a linked member. */
  sendPiece(id: MemberId, piece: QueuedPiece): void {
    if (this.uploads) this.#links.get(id)?.sendPiece(piece);
  }

  /** Send a small frame to a linked member, ahead of queued pieces. */
  send(id: MemberId, frame: Uint8Array<ArrayBuffer>): void {
    this.#links.get(id)?.send(frame);
  }

  #offerNext(): void {
    while (this.#offering.size < MAX_UNFINISHED_OFFERS) {
      const id = this.#pendingOffers.shift();
      if (id === undefined) return;
      if (this.#connections.has(id)) continue;
      this.#offering.add(id);
      void this.#createConnection(id).offer();
    }
  }

  #retryLater(id: MemberId): void {
    const failures = this.#failures.get(id);
    if (failures === undefined) return;
    this.#failures.set(id, failures + 1);
    const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
    const retry = setTimeout(
      () => {
        this.#retries.delete(id);
        this.#pendingOffers.push(id);
        this.#offerNext();
      },
      delay * (1 + RETRY_JITTER * (2 * (this.#options.random ?? Math.random)() - 1)),
    );
    this.#retries.set(id, retry);
  }

  #createConnection(id: MemberId): Connection {
    const { PeerConnection, iceServers } = this.#options;
    const connection = new Connection(new PeerConnection({ iceServers }), {
      signal: (data) => {
        this.#options.sendSignal(id, data);
      },
      open: (channel) => {
        this.#unreachable.delete(id);
        if (this.#failures.has(id)) this.#failures.set(id, 0);
        this.#addLink(id, channel, () => connection.wireBytes());
        this.#options.onLinkOpened(id);
        this.#offerFinished(id);
      },
      message: (data) => {
        this.#options.onFrame(id, data);
      },
      lost: () => {
        if (!this.isOpen(id)) this.#unreachable.add(id);
        this.#remove(id);
        this.#retryLater(id);
      },
    });
    this.#connections.set(id, connection);
    return connection;
  }

  #addLink(id: MemberId, channel: RTCDataChannel, wireBytes: Link["wireBytes"]): void {
    const onReady = (): void => {
      this.#uplink.run();
    };
    const link = new Link(channel, this.#options.now(), onReady, wireBytes);
    this.#links.set(id, link);
    this.#uplink.add(link);
  }

  #remove(id: MemberId): void {
    this.#connections.delete(id);
    const link = this.#links.get(id);
    if (link) this.#uplink.remove(link);
    link?.close();
    this.#links.delete(id);
    this.#options.onLinkLost(id);
    this.#offerFinished(id);
  }

  #offerFinished(id: MemberId): void {
    if (this.#offering.delete(id)) this.#offerNext();
  }
}
