/**
 * One RTCPeerConnection to one member: offer, answer, trickled ICE candidates, one data channel.
 */

import type { SignalData } from "../protocol/messages";

/** Candidates are collected for this long and sent together. */
const CANDIDATE_BATCH_MS = 100;
const CONNECT_TIMEOUT_MS = 10_000;
/** Limit on candidates kept until the remote description arrives. */
const MAX_EARLY_CANDIDATES = 64;
const CHANNEL_LABEL = "shoal";

export type PeerConnectionConstructor = new (configuration: RTCConfiguration) => RTCPeerConnection;

export interface ConnectionEvents {
  signal: (data: SignalData) => void;
  open: (channel: RTCDataChannel) => void;
  message: (data: ArrayBuffer) => void;
  /** failed, timed out or closed by the other side; not called after `close()` */
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

  /**
   * Bytes this connection has sent so far, including headers; null if the browser does not count
   * them.
   */
  async wireBytes(): Promise<number | null> {
    for (const report of (await this.#pc.getStats()).values() as Iterable<RTCTransportStats>)
      if (report.type === "transport") return report.bytesSent ?? null;
    return null;
  }

  /** Create the data channel and send an offer. */
  async offer(): Promise<void> {
    await this.#loseOnError(async () => {
      this.#adopt(this.#pc.createDataChannel(CHANNEL_LABEL, { ordered: false }));
      await this.#describe(await this.#pc.createOffer());
    });
  }

  /** Handle a description or candidates received through signaling. */
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
      // text is not a valid frame: pass on an empty one, which the receiver rejects
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
      // a candidate that is unusable here (unresolvable name, IPv6) does not affect the others
      await this.#pc.addIceCandidate(candidate).catch(() => undefined);
    else if (this.#earlyCandidates.length < MAX_EARLY_CANDIDATES)
      this.#earlyCandidates.push(candidate);
  }

  /**
   * Run a step of the negotiation. If it fails, for instance because of an unusable description,
   * the connection is lost.
   */
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
