/** The room: who is in it, who of them is linked, and how they share out a segment. */

import type { PeerConnectionConstructor } from "../webrtc/connection";
import { Mesh } from "../webrtc/mesh";
import type { PlanMember, Slice } from "../protocol/plan";
import { plan, relay } from "../protocol/plan";
import type {
  ClientMessage,
  Descriptor,
  MemberId,
  RosterMessage,
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
  uploadCapBps: () => number | null;
  /** links to others are made from then on */
  mayConnect: Promise<void>;
  now: () => number;
  /** the rendition that this viewer plays */
  variant: () => Variant;
  /** a new membership began; `again`: there was one before */
  onJoined: (again: boolean) => void;
  /** signaling is gone: roster and links stay as they are */
  onSignalingLost: () => void;
  onSegment: (message: SegmentMessage) => void;
  onStream: (live: boolean) => void;
  /** signaling plans otherwise than this page: it is older */
  onOutdated: () => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  onLinkOpened: (id: MemberId) => void;
  onLinkLost: (id: MemberId) => void;
  /** a linked member plays another rendition now */
  onMemberSwitched: (id: MemberId) => void;
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
  #options: RoomOptions;
  #roster = new Roster();
  #signaling: Signaling;
  #readySent = false;
  #unreachableLogged = 0;
  #unreachableSent: ReadonlySet<MemberId> = new Set();

  constructor(options: RoomOptions) {
    this.#options = options;
    const { PeerConnection } = options;
    this.mesh = PeerConnection && this.#createMesh(PeerConnection);
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
      onLost: options.onSignalingLost,
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
  get signalingLost(): boolean {
    return !this.joined && this.peers > 0;
  }
  /** Who and where this viewer is. */
  get membership() {
    const { you, room, epoch, ready, size } = this.#roster;
    const unreachable = this.mesh?.unreachableCount ?? 0;
    return { id: you, room, epoch, ready, members: size, unreachable };
  }

  /**
   * How the room shares out a segment.
   *
   * @param epoch that of its announcement; without one, the last that is known
   */
  plan({ variant, sequence, size, pieceSize }: Descriptor, epoch = this.#roster.epoch): Plan {
    const inputs = epoch === null ? null : this.#roster.planInputs(epoch, variant);
    const { ready, originShare } = inputs ?? { ready: [], originShare: 0 };
    const slices = plan(ready, sequence, size, pieceSize, originShare);
    const { you } = this;
    // the newest roster knows best who is there to receive
    const receivers = you === null ? [] : this.#roster.membersOn(variant);
    const me = receivers.find(({ id }) => id === you);
    const relayFor = (slice: Slice, receiver: PlanMember): MemberId | null =>
      relay(ready, sequence, slice, receiver);
    return {
      slices: slices.map((slice) => ({
        ...slice,
        pushedBy: (me && relayFor(slice, me)) ?? slice.owner,
        relayTo: receivers.filter((one) => relayFor(slice, one) === you).map(({ id }) => id),
      })),
      ready: you !== null && ready.some(({ id }) => id === you),
    };
  }

  /** This viewer plays another rendition now. */
  switch(variant: Variant): void {
    for (const id of this.mesh?.linked ?? []) this.mesh?.excludeFromEstimate(id);
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

  #createMesh(PeerConnection: PeerConnectionConstructor): Mesh {
    const { iceServers, now, log, upload, uploadCapBps } = this.#options;
    return new Mesh({
      PeerConnection,
      iceServers,
      now,
      sendSignal: (to, data) => {
        this.send({ type: "signal", to, data });
      },
      mayPlay: (id, variant) => this.#roster.mayPlay(id, variant),
      onLinkOpened: (id) => {
        this.#options.onLinkOpened(id);
        log(`🤝 Peer connected (Total: ${this.peers})`);
        this.#linksChanged();
      },
      onLinkLost: (id) => {
        this.#options.onLinkLost(id);
        this.#linksChanged();
      },
      onFrame: this.#options.onFrame,
      onSent: this.#options.onSent,
      upload,
      uploadCapBps: uploadCapBps,
    });
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "room":
        this.#onRoster(message);
        break;
      case "segment":
        this.#options.onSegment(message);
        break;
      case "signal":
        void this.mesh?.accept(message.from, message.data);
        break;
      case "stream":
        this.#options.onStream(message.live);
        break;
      case "error":
        this.#options.log(`Signaling refused: ${message.message} (${message.code})`);
        if (message.code === "plan_version") this.#options.onOutdated();
        break;
    }
  }

  #onRoster(message: RosterMessage): void {
    const isRejoin = this.you !== null;
    const isNewId = this.you !== message.you;
    if (this.#roster.apply(message)) {
      this.#readySent = this.#roster.ready;
      this.#unreachableSent = new Set();
      if (isNewId) this.#options.onJoined(isRejoin);
      // links made under another id are the others' to drop; who moves to another room along with
      // this viewer keeps its link
      this.mesh?.retain(new Set(isNewId ? [] : this.#roster.others));
      void this.#connectToFirstRoster(message);
    } else {
      this.mesh?.retain(new Set(this.#roster.others));
    }
    for (const id of this.#roster.switched) {
      this.mesh?.excludeFromEstimate(id);
      if (this.mesh?.isOpen(id)) this.#options.onMemberSwitched(id);
    }
    this.#linksChanged();
  }

  /** Connect to those who were there before, unless another membership began meanwhile. */
  async #connectToFirstRoster({ room, you }: RosterMessage): Promise<void> {
    await this.#options.mayConnect;
    if (room === this.#roster.room && you === this.you)
      this.mesh?.connect(this.#roster.firstRoster.filter((id) => !this.mesh?.isOpen(id)));
  }

  /** Tell signaling to whom there is no link, so that plans go around it. */
  #sendUnreachable(mesh: Mesh): void {
    const unreachable = this.#roster.others.filter((id) => mesh.isUnreachable(id));
    const same =
      unreachable.length === this.#unreachableSent.size &&
      unreachable.every((id) => this.#unreachableSent.has(id));
    if (!same && this.send({ type: "links", cut: unreachable }))
      this.#unreachableSent = new Set(unreachable);
  }

  #linksChanged(): void {
    const { mesh } = this;
    if (!mesh || this.you === null) return;
    const { unreachableCount } = mesh;
    if (unreachableCount > 0 && unreachableCount !== this.#unreachableLogged)
      this.#options.log(
        `could not connect to ${unreachableCount} of ${this.#roster.size - 1} viewers`,
      );
    this.#unreachableLogged = unreachableCount;
    this.#sendUnreachable(mesh);
    if (this.#readySent) return;
    const { firstRoster, others } = this.#roster;
    const isOpen = mesh.isOpen.bind(mesh);
    const hasFailed = mesh.hasFailed.bind(mesh);
    if (mayBeReady({ firstRoster, others, isOpen, hasFailed }))
      this.#readySent = this.send({ type: "ready" });
  }
}
