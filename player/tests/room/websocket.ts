/** A fake WebSocket: the test plays the server. */

export class FakeWebSocket {
  static all: FakeWebSocket[] = [];
  readonly OPEN = 1;
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen: () => void = () => undefined;
  onmessage: (event: { data: unknown }) => void = () => undefined;
  onclose: () => void = () => undefined;
  constructor(readonly url: URL) {
    FakeWebSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  /** Messages sent since the last call. */
  take(): Record<string, unknown>[] {
    return this.sent.splice(0);
  }
  close(): void {
    this.readyState = 3;
    this.onclose();
  }
  accept(): void {
    this.readyState = 1;
    this.onopen();
  }
  receive(message: unknown): void {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
