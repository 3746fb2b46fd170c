/** The web component: one module at an address that stays, `/shoal-player.js`. */

import type { Plugin } from "vite";
import { defineConfig } from "vite";

import { hlsParts } from "./build/hls-parts.ts";
import { precompressed } from "./build/precompressed.ts";

/** media-chrome's templates are indented HTML and CSS, which compresses to some kB of nothing. */
const unindented: Plugin = {
  name: "shoal-unindented",
  transform(code, id) {
    return id.includes("/media-chrome/dist/") ? code.replace(/\n[ \t]+/g, "\n") : null;
  },
};

export default defineConfig({
  base: "./",
  plugins: [unindented, hlsParts(), precompressed()],
  publicDir: false,
  build: {
    outDir: "../services/shoal/site/static",
    // the pages are there already
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      input: "src/embed/element.ts",
      // one module: what the lazy parts share with it stays in it
      preserveEntrySignatures: "allow-extension",
      checks: { bundlerTimings: false, ineffectiveDynamicImport: false },
      output: {
        entryFileNames: "shoal-player.js",
        chunkFileNames: "assets/[name]-[hash].js",
      },
    },
    chunkSizeWarningLimit: 900,
  },
});
