/** Vite plugins: inline the pages' styles, and let scripts load after the first paint.
 *
 * A separate stylesheet would delay the first paint by a round trip, and compete with scripts for
 * bandwidth. The Content-Security-Policy allows the inlined styles by hash (`style-hashes.ts`).
 */

import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

const LINK = /<link rel="stylesheet" href="\/([^"]+)" \/>/g;
const SCRIPT = /<(?:script type="module"|link rel="modulepreload")(?= )/g;

/** Inlines the styles, before Vite minifies them. */
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

/** Gives scripts low priority, so that they do not compete with what is painted first. */
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
