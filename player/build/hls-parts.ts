/**
 * Vite plugin: leaves out parts of hls.js that our stations do not use.
 *
 * hls.js is one file whose default configuration refers to every part. A part is left out the way
 * hls.js's own light build does it (which lacks captions, too): its field is set to `undefined`,
 * and the bundler drops the unreferenced code.
 */

import type { Plugin } from "vite";

const HLS = /\/node_modules\/hls\.js\/dist\/hls\.mjs$/;
/** DRM, separate audio, CDN statistics (CMCD), content steering, advertisements, thumbnails. */
const UNUSED = {
  emeController: "EMEController",
  audioStreamController: "AudioStreamController",
  audioTrackController: "AudioTrackController",
  cmcdController: "CMCDController",
  contentSteeringController: "ContentSteeringController",
  interstitialsController: "InterstitialsController",
  iframeController: "IFrameController",
};

export function hlsParts(): Plugin {
  return {
    name: "shoal-hls-parts",
    apply: "build",
    transform(code, id) {
      if (!HLS.test(id)) return null;
      let left = code;
      for (const [field, part] of Object.entries(UNUSED)) {
        const before = left;
        left = left.replace(new RegExp(`\\b${field}: ${part}\\b`), `${field}: undefined`);
        if (left === before)
          throw new Error(
            `hls.js no longer contains "${field}: ${part}": adapt build/hls-parts.ts`,
          );
      }
      return left;
    },
  };
}
