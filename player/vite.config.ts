import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";

import { hlsParts } from "./build/hls-parts.ts";
import { inlineStyles, scriptsAfterPaint } from "./build/inline-styles.ts";
import { precompressed } from "./build/precompressed.ts";
import { styleHashes } from "./build/style-hashes.ts";

export default defineConfig({
  // relative: the web component's module is loaded by other sites' pages
  base: "./",
  // p2p-media-loader as its authors bundled it: in pieces it wants Node's `events` and `process`
  resolve: { conditions: ["p2pml:core-as-bundle", ...defaultClientConditions] },
  plugins: [hlsParts(), inlineStyles(), scriptsAfterPaint(), styleHashes(), precompressed()],
  build: {
    outDir: "../services/shoal/site/static",
    emptyOutDir: true,
    target: "es2022",
    // a data: URI or an inline script would need holes in the Content-Security-Policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "embed.html", "p2pml.html", "replay.html", "dashboard.html"],
      checks: { bundlerTimings: false },
    },
    // hls.js alone is above Vite's default of 500 kB
    chunkSizeWarningLimit: 900,
  },
  test: { include: ["tests/**/*.test.ts"] },
});
