/** Vite plugin: `styles.json` in the build, for the site's Content-Security-Policy.
 *
 * media-chrome's elements bring their styles as <style> in shadow trees, which a policy without
 * 'unsafe-inline' lets in by their hashes. They are taken from the elements that the build contains,
 * asked for their templates as on a server.
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
    async generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((chunk) =>
        chunk.type === "chunk" ? Object.keys(chunk.modules) : [],
      );
      const hashes = new Set<string>();
      for (const id of modules.filter((name) => ELEMENTS.test(name)))
        for (const style of await stylesOf(id)) {
          const digest = createHash("sha256").update(style).digest("base64");
          hashes.add(`sha256-${digest}`);
        }
      this.emitFile({
        type: "asset",
        fileName: "styles.json",
        source: JSON.stringify([...hashes].sort()),
      });
    },
  };
}

/** The texts of an element's <style> elements. */
async function stylesOf(id: string): Promise<string[]> {
  const exported = (await import(id)) as Record<string, unknown>;
  const found: string[] = [];
  for (const element of Object.values(exported)) {
    if (typeof element !== "function") continue;
    for (const name of ["getTemplateHTML", "getSlotTemplateHTML", "getTooltipContentHTML"]) {
      const template = (element as unknown as Record<string, Template | undefined>)[name];
      const html = typeof template === "function" ? template.call(element, {}, {}) : "";
      for (const [, style] of html.matchAll(/<style[^>]*>([^]*?)<\/style>/g))
        if (style) found.push(style);
    }
  }
  return found;
}
