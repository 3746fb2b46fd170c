/** An embedded player, in an iframe's page or in a web component: picture, chip, panel. */

import { showSharing } from "../panel/sharing-view";
import { make } from "../ui/dom";
import type { MountedPlayer } from "../ui/mount";
import { loadConfig, mount } from "../ui/mount";
import type { LiveView } from "../ui/live-view";
import { PreferenceStore } from "../ui/preferences";

export interface EmbeddedPlayerOptions {
  /** where the player goes: nothing else is in there */
  host: Element | ShadowRoot;
  /** a page of the station */
  page: URL;
  /** begin at once, without sound; else the viewer begins, or `play()` */
  autoplay: boolean;
  /** false: this player does not share */
  sharingAllowed: boolean;
  /** the player is older than its station */
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
    // with the panel, which would be left behind
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

  /** null before the viewer, or the page around, has begun */
  get view(): LiveView | null {
    return this.#view;
  }

  /** Play; rejects where the browser wants the viewer to begin. */
  async play(): Promise<void> {
    const { view } = await this.#start();
    // a browser that does not let it play with sound may do without
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
