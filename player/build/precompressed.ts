/**
 * Vite plugin: adds compressed copies of assets, for the site to send to browsers that accept them.
 */

import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const MIN_SIZE_BYTES = 1_000;
const TEXT = /\.(js|css|svg)$/;

export function precompressed(): Plugin {
  return {
    name: "shoal-precompressed",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        for (const [fileName, output] of Object.entries(bundle)) {
          const source = output.type === "chunk" ? output.code : output.source;
          if (!TEXT.test(fileName) || source.length < MIN_SIZE_BYTES) continue;
          const bytes = Buffer.from(source);
          const params = { [constants.BROTLI_PARAM_QUALITY]: 10 };
          const gzip = gzipSync(bytes, { level: 9 });
          this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzip });
          const brotli = brotliCompressSync(bytes, { params });
          this.emitFile({ type: "asset", fileName: `${fileName}.br`, source: brotli });
        }
      },
    },
  };
}
