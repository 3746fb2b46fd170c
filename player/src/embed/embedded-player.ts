/** An embedded player, in an iframe's page or in a web component: picture, chip, panel. */

import { showSharing } from "../panel/sharing-view";
import { make } from "../ui/dom";
import type { Mounted } from "../ui/mount";
import { loadConfig, mount } from "../ui/mount";
import type { StationPlayer } from "../ui/live-view";
import { PreferenceStore } from "../ui/preferences";

export interface FrameOptions {
  /** where the player goes: nothing else is in there */
  host: Element | ShadowRoot;
  /** a page of the station */
  page: URL;
  /** begin at once, without sound; else the viewer begins, or `play()` */
  autoplay: boolean;
  /** false: this player does not share */
  here: boolean;
  /** the player is older than its station */
  onOutdated: () => void;
  signal: AbortSignal;
}

export class Frame {
  readonly video = make("video", { slot: "media", playsinline: "" });
  readonly controller = make("media-controller" as "div", {
    ...{ defaultstreamtype: "live", hotkeys: "noarrowup noarrowdown no< no>" },
  });
  #o: FrameOptions;
  #chip = make("button", { class: "chip", type: "button", slot: "top-chrome" }, "starting");
  #start = make("button", { class: "start", type: "button", "aria-label": "Play" });
  #panel = make("div", { class: "panel-host", hidden: "" });
  #note = make("div", { class: "note-host" });
  #mounted: Promise<Mounted> | null = null;
  #player: StationPlayer | null = null;

  constructor(options: FrameOptions) {
    this.#o = options;
    this.controller.append(this.video, this.#chip);
    const stage = make("div", { class: "stage" }, this.controller, this.#panel, this.#note);
    // with the panel, which would be left behind
    Object.assign(this.controller, { fullscreenElement: stage });
    options.host.append(stage);
    this.#chip.disabled = true;
    if (options.autoplay) {
      this.video.muted = true;
      void this.#begin();
    } else {
      this.#chip.hidden = true;
      stage.append(this.#start);
      this.#start.addEventListener("click", () => void this.play());
    }
  }

  /** null before the viewer, or the page around, has begun */
  get player(): StationPlayer | null {
    return this.#player;
  }

  /** Play; rejects where the browser wants the viewer to begin. */
  async play(): Promise<void> {
    const { player } = await this.#begin();
    // a browser that does not let it play with sound may do without
    if (player.live.livePositionS === null) return;
    await this.video.play();
  }

  pause(): void {
    this.video.pause();
  }

  #begin(): Promise<Mounted> {
    this.#mounted ??= this.#mount();
    return this.#mounted;
  }

  async #mount(): Promise<Mounted> {
    const { page, here, onOutdated, signal } = this.#o;
    const { controller, video } = this;
    this.#start.remove();
    this.#chip.hidden = false;
    const config = await loadConfig(page);
    const preferences = new PreferenceStore();
    const mounted = mount({
      ...{ controller, video, page, config, preferences, here, onOutdated, signal },
    });
    this.#player = mounted.player;
    showSharing({
      ...{
        player: mounted.player,
        preferences,
        consent: config.consent,
        begun: mounted.begun,
        signal,
      },
      ...{ chip: this.#chip, panelHost: this.#panel, noteHost: this.#note },
    });
    return mounted;
  }
}
