/** The panel behind the chip: what this browser gets and gives, and the switches for it. */

import { adopt, make, say } from "../ui/dom";
import type { PlayerSnapshot } from "../ui/live-view";
import type { PreferenceStore } from "../ui/preferences";
import { isChoice } from "../ui/sharing-mode";
import type { Chart } from "./chart";
import { bytes, percent, seconds, speed } from "../ui/format";
import { localNetwork } from "./local-network";
import panelCss from "./panel.css?inline";
import type { Rates } from "./rates";
import { NOTE, explain } from "./explanations";

/** Mbit/s */
const LIMITS = [0.5, 1, 2, 5, 10];

const ROWS = {
  speed: "Speed",
  viewers: "From viewers",
  store: "From the store",
  seed: "From the torrent seed",
  sent: "Sent to viewers",
  saved: "Saved",
  peers: "Connected",
  room: "Room",
  delay: "Behind live",
  buffer: "Buffer",
  dropped: "Dropped frames",
} as const;

export class Panel {
  readonly element: HTMLElement;
  #preferences: PreferenceStore;
  #values = new Map<keyof typeof ROWS, HTMLElement>();
  #explained = make("div", { class: "explained", role: "status" });
  #share = make("input", { type: "checkbox", role: "switch" });
  #mobile = make("input", { type: "checkbox", role: "switch" });
  #limit = make("select");
  #picture = make("div", { class: "chart", role: "img" });
  #chart: Chart | null = null;
  #localNetwork: PermissionState | null = null;

  /**
   * @param root where the panel will be: its styles go there
   * @param close the viewer wants to be rid of it
   */
  constructor(root: DocumentOrShadowRoot, preferences: PreferenceStore, close: () => void) {
    this.#preferences = preferences;
    adopt(root, panelCss);
    const closing = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    closing.addEventListener("click", close);
    const heading = make("h2", { id: "sharing-heading", tabindex: "-1" }, "Sharing");
    this.element = make(
      "section",
      { class: "panel", "aria-labelledby": "sharing-heading" },
      make("div", { class: "head" }, heading, closing),
      make("p", {}, NOTE),
      this.#explained,
      this.#switches(),
      this.#picture,
      this.#legend(),
      this.#table(),
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    void localNetwork().then((status) => {
      if (!status) return;
      const look = (): void => {
        this.#localNetwork = status.state;
      };
      status.addEventListener("change", look);
      look();
    });
  }

  /** It has been put into the page: the chart may be drawn now. */
  async opened(): Promise<void> {
    this.element.querySelector("h2")?.focus();
    const { Chart } = await import("./chart");
    this.#chart ??= new Chart(this.#picture);
  }

  show(stats: PlayerSnapshot, rates: Rates, nowMs: number): void {
    const { now, remembered } = this.#preferences;
    const choice = isChoice(stats.hindrance);
    this.#share.checked = stats.hindrance === null;
    this.#share.disabled = !choice;
    this.#mobile.checked = !now.uploadOnMobile;
    this.#limit.value = String(now.uploadLimitMbps ?? "");
    this.#showFigures(stats, rates);
    const sentences = explain({
      ...{ hindrance: stats.hindrance, noUpload: stats.no_upload, members: stats.members },
      ...{ peers: stats.peers, unreachable: stats.unreachable, openS: nowMs / 1000, remembered },
      localNetwork: this.#localNetwork,
      mac: navigator.userAgent.includes("Macintosh"),
    });
    const said = sentences.join("\n");
    if (this.#explained.dataset["said"] !== said) {
      this.#explained.dataset["said"] = said;
      this.#explained.replaceChildren(...sentences.map((sentence) => make("p", {}, sentence)));
    }
    this.#chart?.show(rates.columns(nowMs));
  }

  #showFigures(stats: PlayerSnapshot, rates: Rates): void {
    const { p2p, store, seed, up } = rates.mean;
    const total = stats.bytes.p2p + stats.bytes.store + stats.bytes.seed;
    const part = (count: number): string =>
      total > 0 ? `${bytes(count)} (${percent(count / total)})` : bytes(count);
    const speeds = `↓ ${speed(p2p + store + seed)}, ↑ ${speed(up)}`;
    const values: Record<keyof typeof ROWS, string> = {
      speed: speeds,
      viewers: part(stats.bytes.p2p),
      store: part(stats.bytes.store),
      seed: part(stats.bytes.seed),
      sent: bytes(stats.uploaded),
      saved: `${bytes(stats.bytes.p2p)} that the store did not send`,
      peers: stats.peers === 1 ? "1 viewer" : `${stats.peers} viewers`,
      room: stats.room === null ? "–" : `${stats.room}, ${stats.members} in it`,
      delay: seconds(stats.latency_s),
      buffer: seconds(stats.buffer_s),
      dropped: String(stats.dropped_frames),
    };
    for (const [key, element] of this.#values) say(element, values[key]);
    const { hindrance } = stats;
    const label = `The last two minutes. Now ${speeds}${hindrance ? "" : `, ${speed(p2p)} from viewers`}.`;
    this.#picture.setAttribute("aria-label", label);
  }

  #switches(): HTMLElement {
    this.#share.addEventListener("change", () => {
      this.#preferences.set({ share: this.#share.checked, noted: true });
    });
    this.#mobile.addEventListener("change", () => {
      this.#preferences.set({ uploadOnMobile: !this.#mobile.checked });
    });
    this.#limit.append(
      new Option("no limit", ""),
      ...LIMITS.map((mbps) => new Option(`${mbps} Mbit/s`, String(mbps))),
    );
    this.#limit.addEventListener("change", () => {
      const { value } = this.#limit;
      this.#preferences.set({ uploadLimitMbps: value === "" ? null : Number(value) });
    });
    return make(
      "div",
      { class: "switches" },
      make("label", {}, this.#share, "Share with other viewers"),
      make("label", {}, this.#mobile, "Don't upload on mobile data"),
      make("label", {}, "Upload at most ", this.#limit),
    );
  }

  #legend(): HTMLElement {
    const key = (name: string, text: string): HTMLElement => make("li", { class: name }, text);
    return make(
      "ul",
      { class: "legend" },
      key("viewers", "from viewers"),
      key("store", "store"),
      key("seed", "seed"),
      key("sent", "sent, Mbit/s"),
    );
  }

  #table(): HTMLElement {
    const list = make("dl");
    for (const [key, name] of Object.entries(ROWS) as [keyof typeof ROWS, string][]) {
      const value = make("dd", { "data-figure": key });
      this.#values.set(key, value);
      list.append(make("div", {}, make("dt", {}, name), value));
    }
    return list;
  }
}
