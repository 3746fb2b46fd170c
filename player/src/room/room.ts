/** The room: who is in it, who of them is linked, and how they share out a segment. */

import type { PeerConnectionConstructor } from "../webrtc/connection";
import { Mesh } from "../webrtc/mesh";
import type { Planned, Slice } from "../protocol/plan";
import { plan, relay } from "../protocol/plan";
import type {
  ClientMessage,
  Descriptor,
  MemberId,
  RoomMessage,
  SegmentMessage,
  ServerMessage,
  Variant,
} from "../protocol/messages";
import { Roster, mayBeReady } from "./roster";
import { Signaling } from "./signaling";
import type { JoinTokens } from "./signaling";

export interface RoomOptions {
  /** `/ws/room` */
  url: URL;
  /** id of the replay that is watched; left out: the live stream */
  replay?: string;
  WebSocket: typeof WebSocket;
  tokens: JoinTokens;
  /** null where nothing can be shared */
  PeerConnection: PeerConnectionConstructor | null;
  iceServers: RTCIceServer[];
  /** false: this viewer sends nothing to others */
  upload: boolean;
  /** the most that it wants to send, bit/s; null: no limit */
  uploadLimitBps: () => number | null;
  /** links to others are made from then on */
  begun: Promise<void>;
  now: () => number;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** a new membership began; `again`: there was one before */
  onJoined: (again: boolean) => void;
  /** signaling is gone: roster and links stay as they are */
  onAway: () => void;
  onSegment: (message: SegmentMessage) => void;
  onStream: (live: boolean) => void;
  /** signaling plans otherwise than this page: it is older */
  onOutdated: () => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  onPeerOpened: (id: MemberId) => void;
  onPeerLost: (id: MemberId) => void;
  /** a linked member plays another rendition now */
  onPeerSwitched: (id: MemberId) => void;
  /** payload bytes handed to a channel */
  onSent: (bytes: number) => void;
  log: (line: string) => void;
}

/** A slice, as it concerns this viewer. */
export interface PlannedSlice extends Slice {
  /** who pushes it here: its owner, or whoever relays it */
  pushedBy: MemberId;
  /** to whom this viewer passes it on, because there is no link from its owner */
  relayTo: readonly MemberId[];
}

export interface Plan {
  slices: PlannedSlice[];
  /** whether this viewer is among those that it is planned with */
  ready: boolean;
}

export class Room {
  /** null where nothing can be shared */
  readonly mesh: Mesh | null;
  #o: RoomOptions;
  #roster = new Roster();
  #signaling: Signaling;
  #saidReady = false;
  #saidUnreachable = 0;
  #saidCut: ReadonlySet<MemberId> = new Set();

  constructor(options: RoomOptions) {
    this.#o = options;
    const { PeerConnection } = options;
    this.mesh = PeerConnection && this.#meshOf(PeerConnection);
    this.#signaling = new Signaling({
      url: options.url,
      replay: options.replay,
      WebSocket: options.WebSocket,
      tokens: options.tokens,
      variant: options.variant,
      sharing: this.mesh !== null,
      upload: options.upload,
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
  /** What this viewer's link carried to others when it was the limit, bit/s; null if unknown. */
  get uplinkBps(): number | null {
    return this.mesh?.uplinkBps ?? null;
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
  plan({ variant, sequence, size, pieceSize }: Descriptor, epoch = this.#roster.epoch): Plan {
    const planned = epoch === null ? null : this.#roster.plannedAt(epoch, variant);
    const { ready, forAll } = planned ?? { ready: [], forAll: 0 };
    const slices = plan(ready, sequence, size, pieceSize, forAll);
    const { you } = this;
    // the newest roster knows best who is there to receive
    const receivers = you === null ? [] : this.#roster.playing(variant);
    const me = receivers.find(({ id }) => id === you);
    const relays = (slice: Slice, receiver: Planned): MemberId | null =>
      relay(ready, sequence, slice, receiver);
    return {
      slices: slices.map((slice) => ({
        ...slice,
        pushedBy: (me && relays(slice, me)) ?? slice.owner,
        relayTo: receivers.filter((one) => relays(slice, one) === you).map(({ id }) => id),
      })),
      ready: you !== null && ready.some(({ id }) => id === you),
    };
  }

  /** This viewer plays another rendition now. */
  switch(variant: Variant): void {
    for (const id of this.mesh?.linked ?? []) this.mesh?.excuse(id);
    this.send({ type: "variant", variant });
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
    const { iceServers, now, log, upload, uploadLimitBps } = this.#o;
    return new Mesh({
      PeerConnection,
      iceServers,
      now,
      signal: (to, data) => {
        this.send({ type: "signal", to, data });
      },
      plays: (id, variant) => this.#roster.plays(id, variant),
      opened: (id) => {
        this.#o.onPeerOpened(id);
        log(`🤝 Peer connected (Total: ${this.peers})`);
        this.#linksChanged();
      },
      lost: (id) => {
        this.#o.onPeerLost(id);
        this.#linksChanged();
      },
      message: this.#o.onFrame,
      sent: this.#o.onSent,
      upload,
      limitBps: uploadLimitBps,
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
        if (message.code === "plan_version") this.#o.onOutdated();
        break;
    }
  }

  #onRoom(message: RoomMessage): void {
    const again = this.you !== null;
    const renamed = this.you !== message.you;
    if (this.#roster.apply(message)) {
      this.#saidReady = this.#roster.ready;
      this.#saidCut = new Set();
      if (renamed) this.#o.onJoined(again);
      // links made under another id are the others' to drop; who moves to another room along with
      // this viewer keeps its link
      this.mesh?.retain(new Set(renamed ? [] : this.#roster.others));
      void this.#callFirst(message);
    } else {
      this.mesh?.retain(new Set(this.#roster.others));
    }
    for (const id of this.#roster.switched) {
      this.mesh?.excuse(id);
      if (this.mesh?.isOpen(id)) this.#o.onPeerSwitched(id);
    }
    this.#linksChanged();
  }

  /** Connect to those who were there before, unless another membership began meanwhile. */
  async #callFirst({ room, you }: RoomMessage): Promise<void> {
    await this.#o.begun;
    if (room === this.#roster.room && you === this.you)
      this.mesh?.call(this.#roster.first.filter((id) => !this.mesh?.isOpen(id)));
  }

  /** Tell signaling to whom there is no link, so that plans go around it. */
  #sayCut(mesh: Mesh): void {
    const cut = this.#roster.others.filter((id) => mesh.isCut(id));
    const same = cut.length === this.#saidCut.size && cut.every((id) => this.#saidCut.has(id));
    if (!same && this.send({ type: "links", cut })) this.#saidCut = new Set(cut);
  }

  #linksChanged(): void {
    const { mesh } = this;
    if (!mesh || this.you === null) return;
    const { unreachable } = mesh;
    if (unreachable > 0 && unreachable !== this.#saidUnreachable)
      this.#o.log(`could not connect to ${unreachable} of ${this.#roster.size - 1} viewers`);
    this.#saidUnreachable = unreachable;
    this.#sayCut(mesh);
    if (this.#saidReady) return;
    const { first, others } = this.#roster;
    const isOpen = mesh.isOpen.bind(mesh);
    const hasFailed = mesh.hasFailed.bind(mesh);
    if (mayBeReady({ first, others, isOpen, hasFailed }))
      this.#saidReady = this.send({ type: "ready" });
  }
}
