import { describe, expect, it } from "vitest";
import type { BrowserSupport } from "../../src/ui/sharing-mode";
import { findBlocker, canChoose, receiveOnlyReason } from "../../src/ui/sharing-mode";

const able: BrowserSupport = { mse: true, webSocket: true, webRtc: true, webCrypto: true };

describe("a viewer shares", () => {
  it.each([
    ["at once, where viewers are only notified", able, null, "notice", true, null],
    ["not before it agreed, where viewers are asked", able, null, "ask", true, "undecided"],
    ["once it agreed, where viewers are asked", able, true, "ask", true, null],
    ["not if it has turned sharing off", able, false, "notice", true, "off"],
    ["not in a player embedded without sharing", able, true, "notice", false, "not here"],
    ["not in a browser without WebRTC", { ...able, webRtc: false }, true, "ask", true, "no WebRTC"],
    ["nor without WebSockets", { ...able, webSocket: false }, true, "ask", true, "no WebSocket"],
    ["nor over http", { ...able, webCrypto: false }, null, "notice", true, "no WebCrypto"],
    [
      "nor where the system plays natively",
      { ...able, mse: false },
      null,
      "notice",
      true,
      "no MSE",
    ],
  ] as const)("%s", (_, browser, share, consent, sharingAllowed, blocker) => {
    expect(findBlocker(browser, { share }, consent, sharingAllowed)).toBe(blocker);
  });

  it("by choice, only if the browser can", () => {
    expect([null, "off", "undecided"].map((one) => canChoose(one as never))).toEqual([
      ...[true, true, true],
    ]);
    expect(canChoose("no WebRTC")).toBe(false);
    expect(canChoose("not here")).toBe(false);
  });
});

const desktop = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/150" };
const phone = { userAgent: "Mozilla/5.0 (Linux; Android 15) Mobile Safari/537.36 Mobi" };

describe("a viewer sends to others, or why not", () => {
  it.each([
    ["a desktop of unknown connection type", desktop, null],
    ["a desktop on Ethernet", { ...desktop, connection: { type: "ethernet" } }, null],
    ["a browser set to save data", { ...desktop, connection: { saveData: true } }, "saving data"],
    ["a laptop on mobile data", { ...desktop, connection: { type: "cellular" } }, "mobile data"],
    ["a phone on Wi-Fi", { ...phone, connection: { type: "wifi" } }, null],
    ["a phone on mobile data", { ...phone, connection: { type: "cellular" } }, "mobile data"],
    ["a phone of unknown connection type", { ...phone, connection: {} }, "unknown link"],
    [
      "a phone recognized by its client hints",
      { ...desktop, userAgentData: { mobile: true } },
      "unknown link",
    ],
    ["a tablet that requests desktop pages", { ...phone, userAgentData: { mobile: false } }, null],
  ])("%s", (_, navigatorInfo, reason) => {
    expect(receiveOnlyReason(navigatorInfo, false)).toBe(reason);
  });

  it("where the viewer allowed mobile data, unless it saves data", () => {
    expect(receiveOnlyReason({ ...phone, connection: { type: "cellular" } }, true)).toBeNull();
    expect(receiveOnlyReason(phone, true)).toBeNull();
    expect(receiveOnlyReason({ ...phone, connection: { saveData: true } }, true)).toBe(
      "saving data",
    );
  });
});
