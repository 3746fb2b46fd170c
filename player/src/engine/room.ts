/** The room: who is in it, who of them is linked, and how they share out a segment. */

import type { PeerConnectionConstructor } from "./connection";
import { Mesh } from "./connections";
import type { Slice } from "./plan";
import { plan } from "./plan";
import type {
  ClientMessage,
  Descriptor,
  MemberId,
  RoomMessage,
  SegmentMessage,
  ServerMessage,
  Variant,
} from "./protocol";
import { Roster, mayBeReady } from "./roster";
import { Signaling } from "./signaling";
import type { JoinTokens } from "./token";

export interface RoomOptions {
  /** `/ws/room` */
  url: URL;
  WebSocket: typeof WebSocket;
  tokens: JoinTokens;
  /** null where nothing can be shared */
  PeerConnection: PeerConnectionConstructor | null;
  iceServers: RTCIceServer[];
  now: () => number;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** a new membership began; `again`: there was one before */
  onJoined: (again: boolean) => void;
  /** signaling is gone: roster and links stay as they are */
  onAway: () => void;
  onSegment: (message: SegmentMessage) => void;
  onStream: (live: boolean) => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  onPeerLost: (id: MemberId) => void;
  /** payload bytes handed to a channel */
  onSent: (bytes: number) => void;
  log: (line: string) => void;
}

export class Room {
  /** null where nothing can be shared */
  readonly mesh: Mesh | null;
  #o: RoomOptions;
  #roster = new Roster();
  #signaling: Signaling;
  #saidReady = false;
  #saidUnreachable = 0;

  constructor(options: RoomOptions) {
    this.#o = options;
    const { PeerConnection } = options;
    this.mesh = PeerConnection && this.#meshOf(PeerConnection);
    this.#signaling = new Signaling({
      url: options.url,
      WebSocket: options.WebSocket,
      tokens: options.tokens,
      variant: options.variant,
      sharing: this.mesh !== null,
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onAway: options.onAway,
    });
  }

  /** Open links to other viewers. */
  get peers(): number {
    return this.mesh?.size ?? 0;
  }
  get you(): MemberId | null {
    return this.#roster.you;
  }
  /** Whether signaling is up, and this viewer in its room. */
  get joined(): boolean {
    return this.#signaling.joined;
  }
  /** Whether peers are there to bring a segment that signaling will announce. */
  get sharing(): boolean {
    return this.joined && this.#roster.ready && this.peers > 0;
  }
  /** Whether signaling is gone and the peers are still there: they go on by themselves. */
  get adrift(): boolean {
    return !this.joined && this.peers > 0;
  }
  /** Who and where this viewer is. */
  get membership() {
    const { you, room, epoch, ready, size } = this.#roster;
    const unreachable = this.mesh?.unreachable ?? 0;
    return { id: you, room, epoch, ready, members: size, unreachable };
  }

  /**
   * How the room shares out a segment.
   *
   * @param epoch that of its announcement; without one, the last that is known
   */
  plan(
    { variant, sequence, size, pieceSize }: Descriptor,
    epoch = this.#roster.epoch,
  ): { slices: Slice[]; ready: boolean } {
    const ids = (epoch === null ? null : this.#roster.readyAt(epoch, variant)) ?? [];
    const slices = plan(ids, sequence, size, pieceSize);
    return { slices, ready: this.you !== null && ids.includes(this.you) };
  }

  /**
   * Send to signaling.
   *
   * @returns whether the connection is open
   */
  send(message: ClientMessage): boolean {
    return this.#signaling.send(message);
  }

  close(): void {
    this.#signaling.close();
    this.mesh?.retain(new Set());
  }

  #meshOf(PeerConnection: PeerConnectionConstructor): Mesh {
    const { iceServers, now, log } = this.#o;
    return new Mesh({
      PeerConnection,
      iceServers,
      now,
      signal: (to, data) => {
        this.send({ type: "signal", to, data });
      },
      plays: (id, variant) => this.#roster.plays(id, variant),
      opened: () => {
        log(`🤝 Peer connected (Total: ${this.peers})`);
        this.#linksChanged();
      },
      lost: (id) => {
        this.#o.onPeerLost(id);
        this.#linksChanged();
      },
      message: this.#o.onFrame,
      sent: this.#o.onSent,
    });
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "room":
        this.#onRoom(message);
        break;
      case "segment":
        this.#o.onSegment(message);
        break;
      case "signal":
        void this.mesh?.accept(message.from, message.data);
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
    const again = this.you !== null;
    if (this.#roster.apply(message)) {
      this.#saidReady = false;
      this.#o.onJoined(again);
      // the others know this viewer under its new id: links made under the old one are theirs to drop
      this.mesh?.retain(new Set());
      this.mesh?.call(this.#roster.first);
    } else {
      this.mesh?.retain(new Set(this.#roster.others));
    }
    this.#linksChanged();
  }

  #linksChanged(): void {
    const { mesh } = this;
    if (!mesh || this.you === null) return;
    const { unreachable } = mesh;
    if (unreachable > 0 && unreachable !== this.#saidUnreachable)
      this.#o.log(`could not connect to ${unreachable} of ${this.#roster.size - 1} viewers`);
    this.#saidUnreachable = unreachable;
    if (this.#saidReady) return;
    const isOpen = mesh.isOpen.bind(mesh);
    if (mayBeReady(this.#roster.first, isOpen, mesh.hasFailed.bind(mesh)))
      this.#saidReady = this.send({ type: "ready" });
  }
}
