/** An embedded player: picture, chip and panel, for the iframe page and the web component. */

import { showSharing } from "../panel/sharing-view";
import { make } from "../ui/dom";
import type { MountedPlayer } from "../ui/mount";
import { loadConfig, mount } from "../ui/mount";
import type { LiveView } from "../ui/live-view";
import { PreferenceStore } from "../ui/preferences";

export interface EmbeddedPlayerOptions {
  /** container for the player, with nothing else in it */
  host: Element | ShadowRoot;
  /** URL of a page of the station */
  page: URL;
  /** start at once, muted; otherwise the viewer or `play()` starts it */
  autoplay: boolean;
  /** false: this player does not share */
  sharingAllowed: boolean;
  /** called when the player is older than its station */
  onOutdated: () => void;
  signal: AbortSignal;
}

export class EmbeddedPlayer {
  readonly video = make("video", { slot: "media", playsinline: "" });
  readonly controller = make("media-controller" as "div", {
    ...{ defaultstreamtype: "live", hotkeys: "noarrowup noarrowdown no< no>" },
  });
  #options: EmbeddedPlayerOptions;
  #chip = make("button", { class: "chip", type: "button", slot: "top-chrome" }, "starting");
  #startButton = make("button", { class: "start", type: "button", "aria-label": "Play" });
  #panel = make("div", { class: "panel-host", hidden: "" });
  #note = make("div", { class: "note-host" });
  #mounted: Promise<MountedPlayer> | null = null;
  #view: LiveView | null = null;

  constructor(options: EmbeddedPlayerOptions) {
    this.#options = options;
    this.controller.append(this.video, this.#chip);
    const stage = make("div", { class: "stage" }, this.controller, this.#panel, this.#note);
    // the stage, so that the panel is part of the full screen
    Object.assign(this.controller, { fullscreenElement: stage });
    options.host.append(stage);
    this.#chip.disabled = true;
    if (options.autoplay) {
      this.video.muted = true;
      void this.#start();
    } else {
      this.#chip.hidden = true;
      stage.append(this.#startButton);
      this.#startButton.addEventListener("click", () => void this.play());
    }
  }

  /** null until the viewer or the embedding page has started it */
  get view(): LiveView | null {
    return this.#view;
  }

  /** Starts playback; rejects if the browser wants the viewer to start it. */
  async play(): Promise<void> {
    const { view } = await this.#start();
    // loading has only begun: the live player starts playback itself
    if (view.live.livePositionS === null) return;
    await this.video.play();
  }

  pause(): void {
    this.video.pause();
  }

  #start(): Promise<MountedPlayer> {
    this.#mounted ??= this.#mount();
    return this.#mounted;
  }

  async #mount(): Promise<MountedPlayer> {
    const { page, sharingAllowed, onOutdated, signal } = this.#options;
    const { controller, video } = this;
    this.#startButton.remove();
    this.#chip.hidden = false;
    const config = await loadConfig(page);
    const preferences = new PreferenceStore();
    const mounted = mount({
      ...{ controller, video, page, config, preferences, sharingAllowed, onOutdated, signal },
    });
    this.#view = mounted.view;
    showSharing({
      ...{
        view: mounted.view,
        preferences,
        consent: config.consent,
        mayConnect: mounted.mayConnect,
        signal,
      },
      ...{ chip: this.#chip, panelHost: this.#panel, noteHost: this.#note },
    });
    return mounted;
  }
}
