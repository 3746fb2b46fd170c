import { expect, it } from "vitest";
import type { SharingState } from "../../src/panel/chip-text";
import { chipText } from "../../src/panel/chip-text";

const able: SharingState = {
  ...{ blocker: null, members: 3, unreachable: 0, peers: 2, share: 0.679 },
  storeFailing: false,
};

it.each<[Partial<SharingState>, string]>([
  [{}, "67% from 2 viewers"],
  [{ peers: 1, share: 0 }, "0% from 1 viewer"],
  [{ share: null }, "connected to 2 viewers"],
  [{ peers: 0 }, "from the store: connecting to other viewers"],
  [{ peers: 0, unreachable: 1 }, "from the store: connecting to other viewers"],
  [{ peers: 0, unreachable: 2 }, "from the store: could not connect to other viewers"],
  [{ peers: 0, members: 1 }, "from the store: no other viewers yet"],
  [{ peers: 0, members: 0 }, "from the store: cannot find other viewers"],
  [{ blocker: "no WebRTC" }, "from the store: this browser has no WebRTC"],
  [{ blocker: "no WebCrypto" }, "from the store: sharing needs HTTPS"],
  [{ blocker: "off" }, "from the store: sharing is off"],
  [{ blocker: "undecided" }, "from the store: waiting for your choice"],
  [{ blocker: "no WebSocket" }, "from the store: this browser has no WebSockets"],
  [{ blocker: "no MSE" }, "from the store: this browser plays the stream natively"],
  [{ storeFailing: true }, "67% from 2 viewers"],
  [{ storeFailing: true, peers: 0, members: 1 }, "the store is not responding"],
  [
    { storeFailing: true, blocker: "no WebRTC" },
    "the store is not responding, and this browser has no WebRTC",
  ],
])("%o reads %s", (change, text) => {
  expect(chipText({ ...able, ...change })).toBe(text);
});
