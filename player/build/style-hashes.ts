/** Vite plugin: `styles.json` in the build, for the site's Content-Security-Policy.
 *
 * Pages carry their styles in <style>, and media-chrome's elements bring theirs so in shadow trees: a
 * policy without 'unsafe-inline' lets them in by their hashes. The latter are taken from the elements
 * that the build contains, asked for their templates as on a server.
 */

import { createHash } from "node:crypto";
import type { Plugin } from "vite";

const ELEMENTS = /\/node_modules\/media-chrome\/dist\/(menu\/)?media-[\w-]+\.js$/;

/** What media-chrome's classes have; the second argument are the element's properties. */
type Template = (attributes: object, properties: object) => string;

export function styleHashes(): Plugin {
  return {
    name: "shoal-style-hashes",
    apply: "build",
    generateBundle: {
      order: "post",
      async handler(_, bundle) {
        const styles: string[] = [];
        for (const output of Object.values(bundle)) {
          if (output.type === "asset") {
            if (output.fileName.endsWith(".html")) styles.push(...stylesIn(String(output.source)));
            continue;
          }
          for (const id of Object.keys(output.modules).filter((name) => ELEMENTS.test(name)))
            styles.push(...(await stylesOf(id)));
        }
        const hashes = styles.map((style) => createHash("sha256").update(style).digest("base64"));
        const source = [...new Set(hashes)].sort().map((digest) => `sha256-${digest}`);
        this.emitFile({
          ...{ type: "asset", fileName: "styles.json", source: JSON.stringify(source) },
        });
      },
    },
  };
}

/** The texts of the <style> elements in HTML. */
function stylesIn(html: string): string[] {
  const found = html.matchAll(/<style[^>]*>([^]*?)<\/style>/g);
  return [...found].flatMap(([, style]) => (style ? [style] : []));
}

/** What an element writes into its shadow tree. */
async function stylesOf(id: string): Promise<string[]> {
  const exported = (await import(id)) as Record<string, unknown>;
  const found: string[] = [];
  for (const element of Object.values(exported)) {
    if (typeof element !== "function") continue;
    for (const name of ["getTemplateHTML", "getSlotTemplateHTML", "getTooltipContentHTML"]) {
      const template = (element as unknown as Record<string, Template | undefined>)[name];
      const html = typeof template === "function" ? template.call(element, {}, {}) : "";
      found.push(...stylesIn(html));
    }
  }
  return found;
}
