/** The panel that the chip opens: what this browser receives and sends, and the switches for it. */

import { adoptStyles, make, setText } from "../ui/dom";
import type { LiveStats } from "../ui/live-view";
import type { PreferenceStore } from "../ui/preferences";
import { canChoose } from "../ui/sharing-mode";
import type { Chart } from "./chart";
import { UNKNOWN, bytes, percent, seconds, speed } from "../ui/format";
import { queryLocalNetwork } from "./local-network";
import panelCss from "./panel.css?inline";
import type { Rates } from "./rates";
import { NOTE, explain } from "./explanations";

const UPLOAD_LIMITS_MBPS = [0.5, 1, 2, 5, 10];

const ROWS = {
  speed: "Speed",
  viewers: "From viewers",
  store: "From the store",
  seed: "From the torrent seed",
  sent: "Sent to viewers",
  saved: "Saved",
  peers: "Connected to",
  room: "Room",
  latency: "Latency",
  buffer: "Buffer",
  dropped: "Dropped frames",
} as const;

export class Panel {
  readonly element: HTMLElement;
  #preferences: PreferenceStore;
  #values = new Map<keyof typeof ROWS, HTMLElement>();
  #explanations = make("div", { class: "explanations", role: "status" });
  #shareSwitch = make("input", { type: "checkbox", role: "switch" });
  #mobileSwitch = make("input", { type: "checkbox", role: "switch" });
  #limitSelect = make("select");
  #chartHost = make("div", { class: "chart", role: "img" });
  #chart: Chart | null = null;
  #localNetwork: PermissionState | null = null;

  /**
   * @param root the document or shadow tree of the panel, which gets its styles
   * @param close called when the viewer closes the panel
   */
  constructor(root: DocumentOrShadowRoot, preferences: PreferenceStore, close: () => void) {
    this.#preferences = preferences;
    adoptStyles(root, panelCss);
    const closeButton = make(
      "button",
      { type: "button", class: "close", "aria-label": "Close" },
      "×",
    );
    closeButton.addEventListener("click", close);
    const heading = make("h2", { id: "sharing-heading", tabindex: "-1" }, "Sharing");
    this.element = make(
      "section",
      { class: "panel", "aria-labelledby": "sharing-heading" },
      make("div", { class: "head" }, heading, closeButton),
      make("p", {}, NOTE),
      this.#explanations,
      this.#switches(),
      this.#chartHost,
      this.#legend(),
      this.#table(),
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    void queryLocalNetwork().then((status) => {
      if (!status) return;
      const update = (): void => {
        this.#localNetwork = status.state;
      };
      status.addEventListener("change", update);
      update();
    });
  }

  /** To be called when the panel is in the page: focuses it and draws the chart. */
  async opened(): Promise<void> {
    this.element.querySelector("h2")?.focus();
    const { Chart } = await import("./chart");
    this.#chart ??= new Chart(this.#chartHost);
  }

  show(stats: LiveStats, rates: Rates, nowMs: number): void {
    const { now, remembered } = this.#preferences;
    const canChooseSharing = canChoose(stats.hindrance);
    this.#shareSwitch.checked = stats.hindrance === null;
    this.#shareSwitch.disabled = !canChooseSharing;
    this.#mobileSwitch.checked = !now.uploadOnMobile;
    this.#limitSelect.value = String(now.uploadLimitMbps ?? "");
    this.#showStats(stats, rates);
    const sentences = explain({
      ...{ blocker: stats.hindrance, receiveOnlyReason: stats.no_upload, members: stats.members },
      ...{ peers: stats.peers, unreachable: stats.unreachable, openS: nowMs / 1000, remembered },
      localNetwork: this.#localNetwork,
      mac: navigator.userAgent.includes("Macintosh"),
    });
    const text = sentences.join("\n");
    if (this.#explanations.dataset["shown"] !== text) {
      this.#explanations.dataset["shown"] = text;
      this.#explanations.replaceChildren(...sentences.map((sentence) => make("p", {}, sentence)));
    }
    this.#chart?.show(rates.columns(nowMs));
  }

  #showStats(stats: LiveStats, rates: Rates): void {
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
      saved: `${bytes(stats.bytes.p2p)} not sent by the store`,
      peers: viewers(stats.peers),
      room: stats.room === null ? UNKNOWN : `${stats.room} (${viewers(stats.members)})`,
      latency: seconds(stats.latency_s),
      buffer: seconds(stats.buffer_s),
      dropped: String(stats.dropped_frames),
    };
    for (const [key, element] of this.#values) setText(element, values[key]);
    const { hindrance } = stats;
    const label = `Last two minutes. Now ${speeds}${hindrance ? "" : `, ${speed(p2p)} from viewers`}.`;
    this.#chartHost.setAttribute("aria-label", label);
  }

  #switches(): HTMLElement {
    this.#shareSwitch.addEventListener("change", () => {
      this.#preferences.set({ share: this.#shareSwitch.checked, noted: true });
    });
    this.#mobileSwitch.addEventListener("change", () => {
      this.#preferences.set({ uploadOnMobile: !this.#mobileSwitch.checked });
    });
    this.#limitSelect.append(
      new Option("No limit", ""),
      ...UPLOAD_LIMITS_MBPS.map((mbps) => new Option(`${mbps} Mbit/s`, String(mbps))),
    );
    this.#limitSelect.addEventListener("change", () => {
      const { value } = this.#limitSelect;
      this.#preferences.set({ uploadLimitMbps: value === "" ? null : Number(value) });
    });
    return make(
      "div",
      { class: "switches" },
      make("label", {}, this.#shareSwitch, "Share with other viewers"),
      make("label", {}, this.#mobileSwitch, "Don't upload on mobile data"),
      make("label", {}, "Upload at most ", this.#limitSelect),
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
      key("sent", "sent (Mbit/s)"),
    );
  }

  #table(): HTMLElement {
    const list = make("dl");
    for (const [key, name] of Object.entries(ROWS) as [keyof typeof ROWS, string][]) {
      const value = make("dd", { "data-stat": key });
      this.#values.set(key, value);
      list.append(make("div", {}, make("dt", {}, name), value));
    }
    return list;
  }
}

function viewers(count: number): string {
  return count === 1 ? "1 viewer" : `${count} viewers`;
}
