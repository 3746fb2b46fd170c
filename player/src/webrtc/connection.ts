/** One RTCPeerConnection to one member: offer, answer, trickled candidates, one data channel. */

import type { SignalData } from "../protocol/messages";

/** Candidates are collected for this long before they are sent. */
const CANDIDATE_BATCH_MS = 100;
const CONNECT_TIMEOUT_MS = 10_000;
/** Kept while the other side's description is on its way. */
const MAX_EARLY_CANDIDATES = 64;
const CHANNEL_LABEL = "shoal";

export type PeerConnectionConstructor = new (configuration: RTCConfiguration) => RTCPeerConnection;

export interface ConnectionEvents {
  signal: (data: SignalData) => void;
  open: (channel: RTCDataChannel) => void;
  message: (data: ArrayBuffer) => void;
  /** failed, timed out or closed by the other side; not after `close()` */
  lost: () => void;
}

export class Connection {
  #pc: RTCPeerConnection;
  #events: ConnectionEvents;
  #channel: RTCDataChannel | null = null;
  #pendingCandidates: RTCIceCandidateInit[] = [];
  #earlyCandidates: RTCIceCandidateInit[] = [];
  #batchTimer: ReturnType<typeof setTimeout> | undefined;
  #timeout: ReturnType<typeof setTimeout>;
  #closed = false;

  constructor(pc: RTCPeerConnection, events: ConnectionEvents) {
    this.#pc = pc;
    this.#events = events;
    this.#timeout = setTimeout(() => {
      this.#lose();
    }, CONNECT_TIMEOUT_MS);
    pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.#queueCandidate(candidate.toJSON());
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed" || pc.connectionState === "closed") this.#lose();
    };
    pc.ondatachannel = ({ channel }) => {
      if (channel.label === CHANNEL_LABEL && !this.#channel) this.#adopt(channel);
      else channel.close();
    };
  }

  get open(): boolean {
    return this.#channel?.readyState === "open";
  }

  /** What this connection has sent so far, headers too; null where nobody counts. */
  async wireBytes(): Promise<number | null> {
    for (const report of (await this.#pc.getStats()).values() as Iterable<RTCTransportStats>)
      if (report.type === "transport") return report.bytesSent ?? null;
    return null;
  }

  /** Call the other side. */
  async offer(): Promise<void> {
    await this.#loseOnError(async () => {
      this.#adopt(this.#pc.createDataChannel(CHANNEL_LABEL, { ordered: false }));
      await this.#describe(await this.#pc.createOffer());
    });
  }

  /** Take what the other side sent through signaling. */
  async accept(data: SignalData): Promise<void> {
    await this.#loseOnError(async () => {
      if ("candidates" in data) {
        for (const candidate of data.candidates) await this.#addCandidate(candidate);
        return;
      }
      await this.#pc.setRemoteDescription(data.description);
      for (const candidate of this.#earlyCandidates.splice(0)) await this.#addCandidate(candidate);
      if (data.description.type === "offer") await this.#describe(await this.#pc.createAnswer());
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timeout);
    clearTimeout(this.#batchTimer);
    this.#pc.close();
  }

  async #describe(description: RTCSessionDescriptionInit): Promise<void> {
    await this.#pc.setLocalDescription(description);
    const { type, sdp } = description;
    if (this.#closed || (type !== "offer" && type !== "answer")) return;
    this.#events.signal({ description: { type, sdp: sdp ?? "" } });
  }

  #adopt(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    const opened = (): void => {
      clearTimeout(this.#timeout);
      if (!this.#closed) this.#events.open(channel);
    };
    if (channel.readyState === "open") opened();
    else channel.onopen = opened;
    channel.onclose = () => {
      this.#lose();
    };
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      // text is no frame of ours: an empty frame lets the reader treat it as nonsense
      if (!this.#closed)
        this.#events.message(data instanceof ArrayBuffer ? data : new ArrayBuffer(0));
    };
  }

  #queueCandidate(candidate: RTCIceCandidateInit): void {
    this.#pendingCandidates.push(candidate);
    this.#batchTimer ??= setTimeout(() => {
      this.#batchTimer = undefined;
      this.#events.signal({ candidates: this.#pendingCandidates.splice(0) });
    }, CANDIDATE_BATCH_MS);
  }

  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#pc.remoteDescription)
      // one that cannot be used here (a name that does not resolve, IPv6) leaves the others
      await this.#pc.addIceCandidate(candidate).catch(() => undefined);
    else if (this.#earlyCandidates.length < MAX_EARLY_CANDIDATES)
      this.#earlyCandidates.push(candidate);
  }

  /** A description may be unusable: then there is no connection. */
  async #loseOnError(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch {
      this.#lose();
    }
  }

  #lose(): void {
    if (this.#closed) return;
    this.close();
    this.#events.lost();
  }
}
