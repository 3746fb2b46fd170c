/** Vite plugin: pages carry their styles, and are painted before their scripts have come.
 *
 * A stylesheet of its own holds the first paint up for another round trip, with scripts beside it on
 * the line. The policy lets these styles in by their hashes (`style-hashes.ts`).
 */

import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const LINK = /<link rel="stylesheet" href="\/([^"]+)" \/>/g;
const SCRIPT = /<(?:script type="module"|link rel="modulepreload")(?= )/g;

/** The styles, before Vite minifies them. */
export function inlineStyles(): Plugin {
  return {
    name: "shoal-inline-styles",
    transformIndexHtml: {
      order: "pre",
      handler: (html) =>
        html.replaceAll(LINK, (_, path: string) => {
          const source = new URL(`../${path}`, import.meta.url);
          return `<style>${readFileSync(source, "utf8")}</style>`;
        }),
    },
  };
}

/** What is painted first has the line to itself; scripts have nothing else to compete with. */
export function scriptsAfterPaint(): Plugin {
  return {
    name: "shoal-scripts-after-paint",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (html) => html.replaceAll(SCRIPT, '$& fetchpriority="low"'),
    },
  };
}
