/** The mesh: a connection to each member of the room, directed by signaling. */

import type { PeerConnectionConstructor } from "./connection";
import { Connection } from "./connection";
import type { QueuedPiece } from "./uplink";
import { Link, UplinkScheduler } from "./uplink";
import type { MemberId, SignalData, Variant } from "../protocol/messages";

const MAX_UNFINISHED_OFFERS = 6;
/** A room has 32 members at the most. */
const MAX_CONNECTIONS = 31;
/** A member that cannot be reached is called again after 2, 4, 8, … seconds. */
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;
const RETRY_JITTER = 0.25;

export interface MeshOptions {
  PeerConnection: PeerConnectionConstructor;
  iceServers: RTCIceServer[];
  now: () => number;
  sendSignal: (to: MemberId, data: SignalData) => void;
  /** whether a member plays this rendition */
  mayPlay: (id: MemberId, variant: Variant) => boolean;
  onLinkOpened: (id: MemberId) => void;
  /** a link is gone, or a connection attempt failed */
  onLinkLost: (id: MemberId) => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  /** payload bytes handed to a channel */
  onSent: (bytes: number) => void;
  /** false: this viewer sends no pieces */
  upload: boolean;
  /** the most that it wants to send, bit/s; null: no limit */
  uploadCapBps: () => number | null;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

export class Mesh {
  #options: MeshOptions;
  #connections = new Map<MemberId, Connection>();
  #links = new Map<MemberId, Link>();
  #uplink: UplinkScheduler;
  /** members to call, the unfinished ones not counted */
  #pendingOffers: MemberId[] = [];
  #offering = new Set<MemberId>();
  /** the members that this one calls, and how often in a row that failed */
  #failures = new Map<MemberId, number>();
  #retries = new Map<MemberId, ReturnType<typeof setTimeout>>();
  /** members to whom the last attempt failed, whoever called */
  #unreachable = new Set<MemberId>();
  /** members that sent what no honest one sends */
  #expelled = new Set<MemberId>();

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#uplink = new UplinkScheduler(options.now, options.onSent, options.uploadCapBps);
  }

  /** What this viewer's link carried to others when it was the limit, bit/s; null if unknown. */
  get uplinkBps(): number | null {
    return this.#uplink.bps;
  }
  /** Whether this viewer sends pieces to members. */
  get uploads(): boolean {
    return this.#options.upload;
  }
  /** Open links. */
  get size(): number {
    return this.#links.size;
  }

  isOpen(id: MemberId): boolean {
    return this.#links.has(id);
  }
  /** Whether a connection to this member is being made or waits for its turn. */
  isPending(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#connections.has(id) || this.#pendingOffers.includes(id));
  }
  /** Whether there is no link to this member, and none to be expected soon. */
  hasFailed(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#unreachable.has(id) || !this.isPending(id));
  }
  /** Whether there is no link to this member, and the last attempt at one failed. */
  isUnreachable(id: MemberId): boolean {
    return !this.isOpen(id) && (this.#unreachable.has(id) || this.#expelled.has(id));
  }
  /** Members to whom the last attempt to connect failed. */
  get unreachableCount(): number {
    return this.#unreachable.size;
  }
  /** When the link to this member opened, ms; null without one. */
  openedAt(id: MemberId): number | null {
    return this.#links.get(id)?.openedAt ?? null;
  }

  /** Connect to these members, at most six at a time, and again whenever the link is lost. */
  connect(ids: readonly MemberId[]): void {
    for (const id of ids) this.#failures.set(id, 0);
    this.#pendingOffers.push(...ids);
    this.#offerNext();
  }

  /** Take a message of a member; an offer makes a connection. */
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

  /** Close the connections to everybody who is not among `ids`, and forget them. */
  retain(ids: ReadonlySet<MemberId>): void {
    this.#pendingOffers = this.#pendingOffers.filter((id) => ids.has(id));
    const known = [this.#connections, this.#failures, this.#unreachable, this.#expelled];
    for (const id of known.flatMap((members) => [...members.keys()])) {
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

  /** Close the connection to a member, made or in the making; it is not called again. */
  #close(id: MemberId): void {
    this.#failures.delete(id);
    clearTimeout(this.#retries.get(id));
    this.#retries.delete(id);
    const connection = this.#connections.get(id);
    if (!connection) return;
    connection.close();
    this.#remove(id);
  }

  /** All linked members. */
  get linked(): MemberId[] {
    return [...this.#links.keys()];
  }
  /** The linked members that play a rendition. */
  playing(variant: Variant): MemberId[] {
    return [...this.#links.keys()].filter((id) => this.#options.mayPlay(id, variant));
  }

  /** What waits for this member, or for this viewer with it, says nothing of this viewer's uplink. */
  excludeFromEstimate(id: MemberId): void {
    const link = this.#links.get(id);
    if (link) this.#uplink.excludeFromEstimate(link);
  }

  /** Send a piece to a linked member. */
  sendPiece(id: MemberId, piece: QueuedPiece): void {
    if (this.uploads) this.#links.get(id)?.sendPiece(piece);
  }

  /** Send a small frame to a linked member. */
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
