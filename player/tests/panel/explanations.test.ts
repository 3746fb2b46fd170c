import { expect, it } from "vitest";
import type { ExplanationContext } from "../../src/panel/explanations";
import { explain } from "../../src/panel/explanations";

const fine: ExplanationContext = {
  ...{ blocker: null, receiveOnlyReason: null, members: 5, peers: 4, unreachable: 0, openS: 60 },
  ...{ remembered: true, localNetwork: "granted", mac: false },
};

it("who shares without trouble is told nothing", () => {
  expect(explain(fine)).toEqual([]);
});

it.each<[Partial<ExplanationContext>, RegExp]>([
  [{ blocker: "no WebRTC" }, /WebRTC.*extension/],
  [{ blocker: "no WebSocket" }, /WebSockets/],
  [{ blocker: "no WebCrypto" }, /https/],
  [{ blocker: "no MSE" }, /plays the stream by itself/],
  [{ blocker: "off" }, /no connection to other viewers is made/],
  [{ blocker: "undecided" }, /until you do/],
  [{ blocker: "not here" }, /without sharing/],
  [{ receiveOnlyReason: "mobile data" }, /sends nothing/],
  [{ receiveOnlyReason: "unknown link" }, /Wi-Fi or mobile/],
  [{ receiveOnlyReason: "saving data" }, /save data/],
  [{ members: 0, peers: 0 }, /WebSocket cannot be reached/],
  [{ peers: 0, unreachable: 4 }, /no connection to them/],
  [{ localNetwork: "denied" }, /left out/],
  [{ localNetwork: "prompt", peers: 3 }, /may ask/],
  [{ localNetwork: null, mac: true, peers: 3 }, /macOS/],
  [{ remembered: false }, /private window/],
])("%o is explained", (change, text) => {
  const said = explain({ ...fine, ...change });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(text);
});

it("a question that was not in the way is not brought up", () => {
  expect(explain({ ...fine, localNetwork: "prompt" })).toEqual([]);
  expect(explain({ ...fine, localNetwork: null, mac: true })).toEqual([]);
});

it("signaling gets time to answer, and who does not share hears nothing of peers", () => {
  expect(explain({ ...fine, members: 0, peers: 0, openS: 3 })).toEqual([]);
  expect(explain({ ...fine, blocker: "off", localNetwork: "denied" })).toHaveLength(1);
});
