import { expect, it } from "vitest";
import { withToken } from "../../../src/pages/p2pml/sockets";

class Socket {
  readonly url: string;

  constructor(url: string | URL) {
    this.url = String(url);
  }
}

it("adds the current token to each new connection to the tracker, and to no others", () => {
  let token = "first";
  const tracker = new URL("wss://tv.test/ws");
  const Wrapped = withToken(Socket as unknown as typeof WebSocket, tracker, () => token);
  expect(new Wrapped("wss://tv.test/ws").url).toBe("wss://tv.test/ws?token=first");
  token = "second";
  expect(new Wrapped(tracker).url).toBe("wss://tv.test/ws?token=second");
  expect(tracker.href).toBe("wss://tv.test/ws");
  for (const other of ["wss://tv.test/ws/room", "wss://elsewhere.test/ws"])
    expect(new Wrapped(other).url).toBe(other);
});
