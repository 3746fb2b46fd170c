/** hls.js's configuration for this station. */

import type { FragmentLoaderConstructor, HlsConfig, LoadPolicy } from "hls.js";
import { isTemporary } from "../engine/store";

/** Keep retrying through outages: with a buffer nobody notices, without one nothing is lost. */
const MAX_RETRIES = 1_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 2_000;
const MAX_TIMEOUT_RETRIES = 4;
const MAX_TO_FIRST_BYTE_MS = 10_000;

/** Returns the configuration, with the given fragment loader and, if any, ABR controller. */
export function hlsConfig(
  fLoader: FragmentLoaderConstructor,
  abrController?: HlsConfig["abrController"],
): Partial<HlsConfig> {
  return {
    fLoader,
    ...(abrController && { abrController }),
    // a worker would detach the engine's buffers
    enableWorker: false,
    lowLatencyMode: false,
    liveSyncDurationCount: 2,
    // seekable over the whole window
    liveDurationInfinity: true,
    maxBufferLength: 20,
    maxMaxBufferLength: 30,
    backBufferLength: 30,
    manifestLoadPolicy: loadPolicy(20_000),
    playlistLoadPolicy: loadPolicy(20_000),
    fragLoadPolicy: loadPolicy(120_000),
  };
}

/**
 * By default hls.js gives up at once on a failed connection (status 0) unless the browser reports
 * that it is offline. Errors without a response (a gap, a segment that cannot be parsed) and
 * permanent refusals are left to hls.js, which skips the segment.
 */
function loadPolicy(maxLoadTimeMs: number): LoadPolicy {
  return {
    default: {
      maxTimeToFirstByteMs: MAX_TO_FIRST_BYTE_MS,
      maxLoadTimeMs,
      timeoutRetry: { maxNumRetry: MAX_TIMEOUT_RETRIES, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: {
        maxNumRetry: MAX_RETRIES,
        retryDelayMs: FIRST_RETRY_MS,
        maxRetryDelayMs: MAX_RETRY_MS,
        shouldRetry: (config, count, _timeout, response) =>
          count < (config?.maxNumRetry ?? 0) &&
          response?.code !== undefined &&
          (response.code === 0 || isTemporary(response.code)),
      },
    },
  };
}

/** Returns the seconds of video buffered ahead of the playback position; 0 if there are none. */
export function bufferAheadS({
  buffered,
  currentTime,
}: Pick<HTMLMediaElement, "buffered" | "currentTime">): number {
  for (let i = 0; i < buffered.length; i += 1)
    if (buffered.start(i) <= currentTime && currentTime < buffered.end(i))
      return buffered.end(i) - currentTime;
  return 0;
}
