import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../services/shoal/site/static",
    emptyOutDir: true,
    target: "es2022",
    // a data: URI or an inline script would need holes in the Content-Security-Policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js alone is above Vite's default of 500 kB
    chunkSizeWarningLimit: 900,
  },
  test: { include: ["tests/**/*.test.ts"] },
});
