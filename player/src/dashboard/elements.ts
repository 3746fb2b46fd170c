/** Small helpers for what the page is made of. Text is set as text: nothing here parses HTML. */

/** Makes an element with text and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { className = "", title = "" } = {},
  ...content: (string | Node)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (title) made.title = title;
  made.append(...content);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes a part of an SVG picture. */
export function draw<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number>,
  ...content: (string | Node)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...content);
  return made;
}

/** Finds what the page must have. */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`);
  return found;
}
