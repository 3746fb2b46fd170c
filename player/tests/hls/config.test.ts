import type { RetryConfig } from "hls.js";
import { describe, expect, it, vi } from "vitest";
import { hlsConfig } from "../../src/hls/config";

const config = hlsConfig(vi.fn());
const policies = [
  ["manifests", config.manifestLoadPolicy],
  ["playlists", config.playlistLoadPolicy],
  ["fragments", config.fragLoadPolicy],
] as const;

describe.each(policies)("retries of %s", (_, policy) => {
  const retry = policy?.default.errorRetry as RetryConfig;
  const retries = (count: number, code?: number) =>
    retry.shouldRetry?.(
      retry,
      count,
      false,
      code === undefined ? undefined : { url: "", data: "", code },
      false,
    );

  it("go on for minutes after no response or a temporary failure", () => {
    for (const code of [0, 502, 503, 429])
      expect([retries(0, code), retries(60, code)]).toEqual([true, true]);
    expect(retries(retry.maxNumRetry, 0)).toBe(false);
    expect(retry.maxNumRetry * retry.maxRetryDelayMs).toBeGreaterThan(600_000);
  });
  it("do not happen for permanent failures and gaps: hls.js skips those", () => {
    expect([retries(0, 404), retries(0)]).toEqual([false, false]);
  });
  it("start after half a second and stay frequent", () => {
    expect([retry.retryDelayMs, retry.maxRetryDelayMs]).toEqual([500, 2_000]);
  });
});
