/** The room as this viewer sees it: its roster, its links, and its part in each segment's plan. */

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
  /** id of the replay being watched; left out for the live stream */
  replay?: string;
  WebSocket: typeof WebSocket;
  tokens: JoinTokens;
  /** null if this browser cannot share */
  PeerConnection: PeerConnectionConstructor | null;
  iceServers: RTCIceServer[];
  /** false if this viewer does not upload */
  upload: boolean;
  /** the viewer's upload cap, bit/s; null: none */
  uploadCapBps: () => number | null;
  /** resolves once links may be made */
  mayConnect: Promise<void>;
  now: () => number;
  /** the variant this viewer plays */
  variant: () => Variant;
  /** a new membership began; `isRejoin` if there was an earlier one */
  onJoined: (isRejoin: boolean) => void;
  /** the signaling connection is lost; roster and links stay as they are */
  onSignalingLost: () => void;
  onSegment: (message: SegmentMessage) => void;
  onStream: (live: boolean) => void;
  /** signaling uses another plan version: this page is outdated */
  onOutdated: () => void;
  onFrame: (from: MemberId, data: ArrayBuffer) => void;
  onLinkOpened: (id: MemberId) => void;
  onLinkLost: (id: MemberId) => void;
  /** a linked member plays another variant now */
  onMemberSwitched: (id: MemberId) => void;
  /** payload bytes handed to a data channel */
  onSent: (bytes: number) => void;
  log: (line: string) => void;
}

/** A slice from this viewer's point of view. */
export interface PlannedSlice extends Slice {
  /** the member that pushes it to this viewer: the owner, or a relay */
  pushedBy: MemberId;
  /** members to whom this viewer relays it, because they have no link to the owner */
  relayTo: readonly MemberId[];
}

export interface Plan {
  slices: PlannedSlice[];
  /** whether this viewer is one of the members in the plan */
  ready: boolean;
}

export class Room {
  /** null if this browser cannot share */
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

  /** Number of open links. */
  get peers(): number {
    return this.mesh?.size ?? 0;
  }
  /** Measured uplink to other members, bit/s; null if unknown. */
  get uplinkBps(): number | null {
    return this.mesh?.uplinkBps ?? null;
  }
  get you(): MemberId | null {
    return this.#roster.you;
  }
  /** Whether signaling is connected and this viewer is in a room. */
  get joined(): boolean {
    return this.#signaling.joined;
  }
  /** Whether this viewer can expect peers to deliver the next announced segment. */
  get sharing(): boolean {
    return this.joined && this.#roster.ready && this.peers > 0;
  }
  /**
   * Whether the signaling socket is gone while links are still there. Members then continue without
   * it.
   */
  get signalingLost(): boolean {
    return !this.joined && this.peers > 0;
  }
  /** This viewer's id, room and readiness. */
  get membership() {
    const { you, room, epoch, ready, size } = this.#roster;
    const unreachable = this.mesh?.unreachableCount ?? 0;
    return { id: you, room, epoch, ready, members: size, unreachable };
  }

  /**
   * Plan a segment.
   *
   * @param epoch the epoch of its announcement; by default the newest known
   * @returns the slices, none of them if the epoch is unknown
   */
  plan({ variant, sequence, size, pieceSize }: Descriptor, epoch = this.#roster.epoch): Plan {
    const inputs = epoch === null ? null : this.#roster.planInputs(epoch, variant);
    const { ready, originShare } = inputs ?? { ready: [], originShare: 0 };
    const slices = plan(ready, sequence, size, pieceSize, originShare);
    const { you } = this;
    // only the newest roster tells who is there to receive
    const receivers = you === null ? [] : this.#roster.membersOn(variant);
    const me = receivers.find(({ id }) => id === you);
    const relayFor = (slice: Slice, receiver: PlanMember): MemberId | null =>
      relay(ready, sequence, slice, receiver);
    return {
      slices: slices.map((slice) => ({
        ...slice,
        pushedBy: (me && relayFor(slice, me)) ?? slice.owner,
        relayTo: receivers
          .filter((receiver) => relayFor(slice, receiver) === you)
          .map(({ id }) => id),
      })),
      ready: you !== null && ready.some(({ id }) => id === you),
    };
  }

  /** Tell signaling that this viewer plays another variant. */
  switch(variant: Variant): void {
    for (const id of this.mesh?.linked ?? []) this.mesh?.excludeFromEstimate(id);
    this.send({ type: "variant", variant });
  }

  /**
   * Send a message to signaling.
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
      uploadCapBps,
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
        this.#options.log(`signaling rejected this viewer: ${message.message} (${message.code})`);
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
      // Links made under an old id are closed by the other side. A member that moves to the same
      // new room keeps its link.
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

  /** Connect to the members that were there first, unless this membership has ended meanwhile. */
  async #connectToFirstRoster({ room, you }: RosterMessage): Promise<void> {
    await this.#options.mayConnect;
    if (room === this.#roster.room && you === this.you)
      this.mesh?.connect(this.#roster.firstRoster.filter((id) => !this.mesh?.isOpen(id)));
  }

  /** Tell signaling which members this viewer has no link to, so that plans avoid those links. */
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
