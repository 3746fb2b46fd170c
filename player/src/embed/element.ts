/**
 * `<shoal-player src="https://tv.example">`: a station's player as a web component, one ES module.
 *
 * Attributes: `src` (a URL of the station), `autoplay` (begins without sound), `p2p="0"` (does not
 * share). Methods: `play()`, `pause()`, `stats()`.
 */

// part of this module: what is imported later would be another request
import "../ui/controls";
import frameCss from "../ui/player.css?inline";
import { adopt } from "../ui/dom";
import type { PlayerSnapshot } from "../ui/live-view";
import embedCss from "./embed.css?inline";
import { Frame } from "./embedded-player";
import hostCss from "./host.css?inline";

export class ShoalPlayer extends HTMLElement {
  static readonly observedAttributes = ["src", "p2p"];
  #frame: Frame | null = null;
  #left: AbortController | null = null;
  #placed = false;

  connectedCallback(): void {
    this.#placed = true;
    this.#begin();
  }

  disconnectedCallback(): void {
    this.#placed = false;
    this.#end();
  }

  attributeChangedCallback(): void {
    // an element that was there before its definition hears of its attributes first
    if (this.#placed) this.#begin();
  }

  play(): Promise<void> {
    return this.#frame?.play() ?? Promise.reject(new Error("<shoal-player> has no src"));
  }

  pause(): void {
    this.#frame?.pause();
  }

  /** The figures; null before it began. */
  stats(): PlayerSnapshot | null {
    return this.#frame?.player?.stats() ?? null;
  }

  #begin(): void {
    this.#end();
    const src = this.getAttribute("src");
    if (src === null) return;
    const root = this.shadowRoot ?? this.#newRoot();
    this.#left = new AbortController();
    this.#frame = new Frame({
      host: root,
      page: new URL(src, location.href),
      autoplay: this.hasAttribute("autoplay"),
      here: this.getAttribute("p2p") !== "0",
      // it plays on from the store: the page around is not ours to load again
      onOutdated: () => undefined,
      signal: this.#left.signal,
    });
  }

  #end(): void {
    this.#left?.abort();
    this.#left = this.#frame = null;
    this.shadowRoot?.replaceChildren();
  }

  #newRoot(): ShadowRoot {
    const root = this.attachShadow({ mode: "open" });
    for (const css of [hostCss, frameCss, embedCss]) adopt(root, css);
    return root;
  }
}

if (!customElements.get("shoal-player")) customElements.define("shoal-player", ShoalPlayer);
