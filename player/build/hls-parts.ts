/** Vite plugin: hls.js without what no station of ours has any use for.
 *
 * hls.js is one file, and its default configuration names every part. A part is left out as in
 * hls.js's own light build, which has no captions either: its field is `undefined`, and the bundler
 * drops what nothing names any more.
 */

import type { Plugin } from "vite";

const HLS = /\/node_modules\/hls\.js\/dist\/hls\.mjs$/;
/** DRM, separate audio, statistics for CDNs, a choice of CDNs, advertisements, thumbnails. */
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
        if (left === before) throw new Error(`hls.js: nothing says ${field}: ${part} any more`);
      }
      return left;
    },
  };
}
