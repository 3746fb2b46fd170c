import { describe, expect, it } from "vitest";
import type { BrowserSupport } from "../../src/ui/sharing-mode";
import { findBlocker, canChoose, receiveOnlyReason } from "../../src/ui/sharing-mode";

const able: BrowserSupport = { mse: true, webSocket: true, webRtc: true, webCrypto: true };

describe("a viewer shares", () => {
  it.each([
    ["where it is told of it, at once", able, null, "notice", true, null],
    ["where it is asked, not before it agreed", able, null, "ask", true, "undecided"],
    ["where it is asked, once it agreed", able, true, "ask", true, null],
    ["not when it has turned that off", able, false, "notice", true, "off"],
    ["not in a player that was put there without", able, true, "notice", false, "not here"],
    ["not in a browser without WebRTC", { ...able, webRtc: false }, true, "ask", true, "no WebRTC"],
    ["nor without WebSockets", { ...able, webSocket: false }, true, "ask", true, "no WebSocket"],
    ["nor over http", { ...able, webCrypto: false }, null, "notice", true, "no WebCrypto"],
    ["nor where the system plays", { ...able, mse: false }, null, "notice", true, "no MSE"],
  ] as const)("%s", (_, browser, share, consent, here, found) => {
    expect(findBlocker(browser, { share }, consent, here)).toBe(found);
  });

  it("by choice only where the browser could", () => {
    expect([null, "off", "undecided"].map((one) => canChoose(one as never))).toEqual([
      ...[true, true, true],
    ]);
    expect(canChoose("no WebRTC")).toBe(false);
    expect(canChoose("not here")).toBe(false);
  });
});

const desktop = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/150" };
const phone = { userAgent: "Mozilla/5.0 (Linux; Android 15) Mobile Safari/537.36 Mobi" };

describe("a viewer sends to others", () => {
  it.each([
    ["a desktop that says nothing of its link", desktop, null],
    ["a desktop on Ethernet", { ...desktop, connection: { type: "ethernet" } }, null],
    ["anybody who saves data", { ...desktop, connection: { saveData: true } }, "saving data"],
    ["a laptop on mobile data", { ...desktop, connection: { type: "cellular" } }, "mobile data"],
    ["a phone on Wi-Fi", { ...phone, connection: { type: "wifi" } }, null],
    ["a phone on mobile data", { ...phone, connection: { type: "cellular" } }, "mobile data"],
    ["a phone that does not say", { ...phone, connection: {} }, "unknown link"],
    [
      "one that its brand gives away",
      { ...desktop, userAgentData: { mobile: true } },
      "unknown link",
    ],
    ["a tablet that wants desktop pages", { ...phone, userAgentData: { mobile: false } }, null],
  ])("%s", (_, surroundings, reason) => {
    expect(receiveOnlyReason(surroundings, false)).toBe(reason);
  });

  it("where the viewer allowed mobile data, all but those who save it", () => {
    expect(receiveOnlyReason({ ...phone, connection: { type: "cellular" } }, true)).toBeNull();
    expect(receiveOnlyReason(phone, true)).toBeNull();
    expect(receiveOnlyReason({ ...phone, connection: { saveData: true } }, true)).toBe(
      "saving data",
    );
  });
});
