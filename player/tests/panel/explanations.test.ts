import { expect, it } from "vitest";
import type { ExplanationContext } from "../../src/panel/explanations";
import { explain } from "../../src/panel/explanations";

const fine: ExplanationContext = {
  ...{ blocker: null, receiveOnlyReason: null, members: 5, peers: 4, unreachable: 0, openS: 60 },
  ...{ remembered: true, localNetwork: "granted", mac: false },
};

it("says nothing to a viewer that shares without trouble", () => {
  expect(explain(fine)).toEqual([]);
});

it.each<[Partial<ExplanationContext>, RegExp]>([
  [{ blocker: "no WebRTC" }, /WebRTC.*extension/],
  [{ blocker: "no WebSocket" }, /WebSockets/],
  [{ blocker: "no WebCrypto" }, /HTTPS/],
  [{ blocker: "no MSE" }, /plays the stream natively/],
  [{ blocker: "off" }, /does not connect to other viewers/],
  [{ blocker: "undecided" }, /Until you do/],
  [{ blocker: "not here" }, /turned off in this player/],
  [{ receiveOnlyReason: "mobile data" }, /sends nothing/],
  [{ receiveOnlyReason: "unknown link" }, /Wi-Fi or mobile/],
  [{ receiveOnlyReason: "saving data" }, /save data/],
  [{ members: 0, peers: 0 }, /WebSocket cannot be reached/],
  [{ peers: 0, unreachable: 4 }, /could not connect/],
  [{ localNetwork: "denied" }, /left out/],
  [{ localNetwork: "prompt", peers: 3 }, /may ask/],
  [{ localNetwork: null, mac: true, peers: 3 }, /macOS/],
  [{ remembered: false }, /private window/],
])("%o is explained", (change, text) => {
  const sentences = explain({ ...fine, ...change });
  expect(sentences).toHaveLength(1);
  expect(sentences[0]).toMatch(text);
});

it("does not mention permissions that were not needed", () => {
  expect(explain({ ...fine, localNetwork: "prompt" })).toEqual([]);
  expect(explain({ ...fine, localNetwork: null, mac: true })).toEqual([]);
});

it("gives signaling time to answer, and does not mention peers to a viewer that does not share", () => {
  expect(explain({ ...fine, members: 0, peers: 0, openS: 3 })).toEqual([]);
  expect(explain({ ...fine, blocker: "off", localNetwork: "denied" })).toHaveLength(1);
});
