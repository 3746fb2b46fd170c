import { expect, it } from "vitest";
import { UploadLimit } from "../../src/webrtc/upload-cap";

const PIECE = 10_000;

/** Sends pieces for so many seconds as fast as the limit lets them; returns bytes. */
function sendFor(limit: UploadLimit, fromMs: number, seconds: number): number {
  let sent = 0;
  for (let now = fromMs; now < fromMs + seconds * 1000; now += 50) {
    limit.look(now);
    while (limit.may && sent < 1e8) {
      limit.sent(PIECE);
      sent += PIECE;
    }
  }
  return sent;
}

it("lets through what was allowed, whatever waits", () => {
  const limit = new UploadLimit(() => 800_000);
  const sent = sendFor(limit, 0, 20);
  // 100 kB/s, and a second's worth at once in the beginning
  expect(sent).toBeGreaterThanOrEqual(2_000_000);
  expect(sent).toBeLessThanOrEqual(2_100_000 + PIECE);
});

it("saves up no more than a second's worth", () => {
  const limit = new UploadLimit(() => 800_000);
  sendFor(limit, 0, 1);
  expect(sendFor(limit, 60_000, 1)).toBeLessThanOrEqual(200_000 + PIECE);
});

it("follows a limit that is changed, and one that is taken away", () => {
  let bps: number | null = 800_000;
  const limit = new UploadLimit(() => bps);
  sendFor(limit, 0, 5);
  bps = null;
  expect(sendFor(limit, 5_000, 1)).toBe(1e8);
  bps = 80_000;
  expect(sendFor(limit, 6_000, 10)).toBeLessThanOrEqual(110_000 + PIECE);
});
