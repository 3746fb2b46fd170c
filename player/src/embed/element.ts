/**
 * `<shoal-player src="https://tv.example">`: a station's player as a web component, one ES module.
 *
 * Attributes: `src` (a URL of the station), `autoplay` (starts muted), `p2p="0"` (does not share).
 * Methods: `play()`, `pause()`, `stats()`.
 */

// imported statically to be part of this module: a dynamic import would be another request
import "../ui/controls";
import playerCss from "../ui/player.css?inline";
import { adoptStyles } from "../ui/dom";
import type { LiveStats } from "../ui/live-view";
import embedCss from "./embed.css?inline";
import { EmbeddedPlayer } from "./embedded-player";
import hostCss from "./host.css?inline";

export class ShoalPlayer extends HTMLElement {
  static readonly observedAttributes = ["src", "p2p"];
  #player: EmbeddedPlayer | null = null;
  #removal: AbortController | null = null;
  #connected = false;

  connectedCallback(): void {
    this.#connected = true;
    this.#start();
  }

  disconnectedCallback(): void {
    this.#connected = false;
    this.#stop();
  }

  attributeChangedCallback(): void {
    // an element that existed before its definition gets this callback before it is connected
    if (this.#connected) this.#start();
  }

  play(): Promise<void> {
    return this.#player?.play() ?? Promise.reject(new Error("<shoal-player> has no src"));
  }

  pause(): void {
    this.#player?.pause();
  }

  /** The player's statistics; null before it has started. */
  stats(): LiveStats | null {
    return this.#player?.view?.stats() ?? null;
  }

  #start(): void {
    this.#stop();
    const src = this.getAttribute("src");
    if (src === null) return;
    const root = this.shadowRoot ?? this.#newRoot();
    this.#removal = new AbortController();
    this.#player = new EmbeddedPlayer({
      host: root,
      page: new URL(src, location.href),
      autoplay: this.hasAttribute("autoplay"),
      sharingAllowed: this.getAttribute("p2p") !== "0",
      // it plays on from the store; reloading the embedding page is not up to us
      onOutdated: () => undefined,
      signal: this.#removal.signal,
    });
  }

  #stop(): void {
    this.#removal?.abort();
    this.#removal = this.#player = null;
    this.shadowRoot?.replaceChildren();
  }

  #newRoot(): ShadowRoot {
    const root = this.attachShadow({ mode: "open" });
    for (const css of [hostCss, playerCss, embedCss]) adoptStyles(root, css);
    return root;
  }
}

if (!customElements.get("shoal-player")) customElements.define("shoal-player", ShoalPlayer);
