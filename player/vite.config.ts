import { defaultClientConditions } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  // p2p-media-loader as its authors bundled it: in pieces it wants Node's `events` and `process`
  resolve: { conditions: ["p2pml:core-as-bundle", ...defaultClientConditions] },
  build: {
    outDir: "../services/shoal/site/static",
    emptyOutDir: true,
    target: "es2022",
    // a data: URI or an inline script would need holes in the Content-Security-Policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["index.html", "p2pml.html", "dashboard.html"] },
    // hls.js alone is above Vite's default of 500 kB
    chunkSizeWarningLimit: 900,
  },
  test: { include: ["tests/**/*.test.ts"] },
});
