/** A fake RTCPeerConnection: two connections that exchange descriptions are linked at once. */

type Handler<T> = ((event: T) => void) | null;

export class FakeChannel {
  readyState: RTCDataChannelState = "connecting";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = "blob";
  sent: Uint8Array<ArrayBuffer>[] = [];
  other: FakeChannel | null = null;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  onmessage: Handler<{ data: unknown }> = null;
  /** whether sent data stays in the buffer */
  blocked = false;

  constructor(
    readonly label: string,
    readonly options: RTCDataChannelInit = {},
  ) {}

  open(): void {
    this.readyState = "open";
    this.onopen?.();
  }
  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.blocked) this.bufferedAmount += data.byteLength;
    this.sent.push(data);
    this.other?.onmessage?.({ data: data.slice().buffer });
  }
  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.onclose?.();
    this.other?.close();
  }
}

export class FakePeerConnection {
  static all: FakePeerConnection[] = [];
  static answering = true;
  connectionState: RTCPeerConnectionState = "new";
  remoteDescription: RTCSessionDescriptionInit | null = null;
  channel: FakeChannel | null = null;
  candidates: RTCIceCandidateInit[] = [];
  onicecandidate: Handler<{ candidate: { toJSON: () => RTCIceCandidateInit } | null }> = null;
  onconnectionstatechange: (() => void) | null = null;
  ondatachannel: Handler<{ channel: FakeChannel }> = null;

  constructor(readonly configuration: RTCConfiguration) {
    FakePeerConnection.all.push(this);
  }
  createDataChannel(label: string, options: RTCDataChannelInit): FakeChannel {
    return (this.channel = new FakeChannel(label, options));
  }
  createOffer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: "offer", sdp: String(FakePeerConnection.all.indexOf(this)) });
  }
  createAnswer(): Promise<RTCSessionDescriptionInit> {
    if (!FakePeerConnection.answering) return Promise.reject(new Error("no answer"));
    return Promise.resolve({ type: "answer", sdp: String(FakePeerConnection.all.indexOf(this)) });
  }
  setLocalDescription(): Promise<void> {
    this.onicecandidate?.({ candidate: { toJSON: () => ({ candidate: "one" }) } });
    this.onicecandidate?.({ candidate: { toJSON: () => ({ candidate: "two" }) } });
    this.onicecandidate?.({ candidate: null });
    return Promise.resolve();
  }
  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    const other = FakePeerConnection.all[Number(description.sdp)];
    if (!other) return Promise.reject(new Error("an unusable description"));
    this.remoteDescription = description;
    if (description.type === "answer" && this.channel) {
      const theirs = new FakeChannel(this.channel.label);
      theirs.other = this.channel;
      this.channel.other = theirs;
      other.channel = theirs;
      other.ondatachannel?.({ channel: theirs });
      theirs.open();
      this.channel.open();
    }
    return Promise.resolve();
  }
  addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    this.candidates.push(candidate);
    if (candidate.candidate === "unusable") return Promise.reject(new Error("no such host"));
    return Promise.resolve();
  }
  close(): void {
    this.connectionState = "closed";
    this.channel?.close();
  }
  fail(): void {
    this.connectionState = "failed";
    this.onconnectionstatechange?.();
  }
}
