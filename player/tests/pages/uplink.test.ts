import { describe, expect, it } from "vitest";
import { mayUpload } from "../../src/pages/uplink";

const desktop = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/150" };
const phone = { userAgent: "Mozilla/5.0 (Linux; Android 15) Mobile Safari/537.36 Mobi" };

describe("a viewer sends to others", () => {
  it.each([
    ["a desktop that says nothing of its link", desktop, true],
    ["a desktop on Ethernet", { ...desktop, connection: { type: "ethernet" } }, true],
    ["anybody who saves data", { ...desktop, connection: { saveData: true } }, false],
    ["a laptop on mobile data", { ...desktop, connection: { type: "cellular" } }, false],
    ["a phone on Wi-Fi", { ...phone, connection: { type: "wifi" } }, true],
    ["a phone on mobile data", { ...phone, connection: { type: "cellular" } }, false],
    ["a phone that does not say", { ...phone, connection: {} }, false],
    ["one that only its brand gives away", { ...desktop, userAgentData: { mobile: true } }, false],
    ["a tablet that asks for desktop pages", { ...phone, userAgentData: { mobile: false } }, true],
  ])("%s", (_, surroundings, may) => {
    expect(mayUpload(surroundings)).toBe(may);
  });
});
