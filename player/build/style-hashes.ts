/**
 * Vite plugin: `styles.json` in the build, for the site's Content-Security-Policy.
 *
 * Pages have their styles in <style>, and so do media-chrome's elements in their shadow trees. A
 * policy without 'unsafe-inline' allows them by hash. The elements' styles come from the templates
 * that they return for server-side rendering; only elements that the build contains are asked.
 */

import { createHash } from "node:crypto";
import type { Plugin } from "vite";

const ELEMENTS = /\/node_modules\/media-chrome\/dist\/(menu\/)?media-[\w-]+\.js$/;

/**
 * A template function of media-chrome's classes; the second argument is the element's properties.
 */
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

/** Returns the contents of the <style> elements in HTML. */
function stylesIn(html: string): string[] {
  const found = html.matchAll(/<style[^>]*>([^]*?)<\/style>/g);
  return [...found].flatMap(([, style]) => (style ? [style] : []));
}

/** Returns the styles that an element puts into its shadow tree. */
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
