/** The mesh: a connection to each member of the room, directed by signaling. */

import type { PeerConnectionConstructor } from "./connection";
import { Connection } from "./connection";
import { Link } from "./link";
import type { Descriptor, MemberId, SignalData, Variant } from "./protocol";

const MAX_UNFINISHED_OFFERS = 6;
/** A room has 32 members at the most. */
const MAX_CONNECTIONS = 31;

export interface MeshOptions {
  PeerConnection: PeerConnectionConstructor;
  iceServers: RTCIceServer[];
  now: () => number;
  signal: (to: MemberId, data: SignalData) => void;
  /** whether a member plays this rendition */
  plays: (id: MemberId, variant: Variant) => boolean;
  opened: (id: MemberId) => void;
  /** a link is gone, or a connection attempt failed */
  lost: (id: MemberId) => void;
  message: (from: MemberId, data: ArrayBuffer) => void;
  /** payload bytes handed to a channel */
  sent: (bytes: number) => void;
}

export class Mesh {
  #options: MeshOptions;
  #connections = new Map<MemberId, Connection>();
  #links = new Map<MemberId, Link>();
  /** members to call, the unfinished ones not counted */
  #toCall: MemberId[] = [];
  #calling = new Set<MemberId>();

  constructor(options: MeshOptions) {
    this.#options = options;
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
    return !this.isOpen(id) && (this.#connections.has(id) || this.#toCall.includes(id));
  }
  /** When the link to this member opened, ms; null without one. */
  openedAt(id: MemberId): number | null {
    return this.#links.get(id)?.openedAt ?? null;
  }

  /** Connect to these members, at most six at a time. */
  call(ids: readonly MemberId[]): void {
    this.#toCall.push(...ids);
    this.#callNext();
  }

  /** Take a message of a member; an offer makes a connection. */
  async accept(from: MemberId, data: SignalData): Promise<void> {
    if ("description" in data && data.description.type === "offer") {
      this.close(from);
      if (this.#connections.size >= MAX_CONNECTIONS) return;
      await this.#connect(from).accept(data);
    } else {
      await this.#connections.get(from)?.accept(data);
    }
  }

  /** Close the connections to everybody who is not among `ids`. */
  retain(ids: ReadonlySet<MemberId>): void {
    this.#toCall = this.#toCall.filter((id) => ids.has(id));
    for (const id of [...this.#connections.keys()]) if (!ids.has(id)) this.close(id);
  }

  /** Close the connection to a member, made or in the making. */
  close(id: MemberId): void {
    const connection = this.#connections.get(id);
    if (!connection) return;
    connection.close();
    this.#forget(id);
  }

  /** Send a piece over the open link to every member that `plays` its rendition. */
  broadcast(descriptor: Descriptor, index: number, bytes: Uint8Array): void {
    for (const [id, link] of this.#links)
      if (this.#options.plays(id, descriptor.variant)) link.sendPiece(descriptor, index, bytes);
  }

  #callNext(): void {
    while (this.#calling.size < MAX_UNFINISHED_OFFERS) {
      const id = this.#toCall.shift();
      if (id === undefined) return;
      if (this.#connections.has(id)) continue;
      this.#calling.add(id);
      void this.#connect(id).offer();
    }
  }

  #connect(id: MemberId): Connection {
    const { PeerConnection, iceServers, now } = this.#options;
    const connection = new Connection(new PeerConnection({ iceServers }), {
      signal: (data) => {
        this.#options.signal(id, data);
      },
      open: (channel) => {
        this.#links.set(id, new Link(channel, now(), this.#options.sent));
        this.#options.opened(id);
        this.#finished(id);
      },
      message: (data) => {
        this.#options.message(id, data);
      },
      lost: () => {
        this.#forget(id);
      },
    });
    this.#connections.set(id, connection);
    return connection;
  }

  #forget(id: MemberId): void {
    this.#connections.delete(id);
    this.#links.get(id)?.close();
    this.#links.delete(id);
    this.#options.lost(id);
    this.#finished(id);
  }

  #finished(id: MemberId): void {
    if (this.#calling.delete(id)) this.#callNext();
  }
}
