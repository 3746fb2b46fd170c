/** Chip, panel and note, updated once a second. Panel and note are loaded when needed. */

import type { Consent } from "../station/config";
import { canChoose } from "../ui/sharing-mode";
import { setText } from "../ui/dom";
import type { LiveView } from "../ui/live-view";
import type { PreferenceStore } from "../ui/preferences";
import { chipText } from "./chip-text";
import type { Panel } from "./panel";
import { Rates } from "./rates";

const REFRESH_MS = 1_000;

export interface SharingViewOptions {
  view: LiveView;
  preferences: PreferenceStore;
  consent: Consent;
  /** shows how much is shared, and opens the panel */
  chip: HTMLButtonElement;
  /** container for the panel; empty until it is opened */
  panelHost: HTMLElement;
  /** container for the note on the first visit */
  noteHost: HTMLElement;
  /** resolves when links to other viewers may be made */
  mayConnect: Promise<void>;
  /** aborted when the player is removed from its page */
  signal: AbortSignal;
}

export function showSharing(options: SharingViewOptions): void {
  const { view, preferences, consent, chip, panelHost, noteHost, mayConnect, signal } = options;
  const rates = new Rates();
  let panel: Panel | null = null;

  const refresh = (): void => {
    const stats = view.stats();
    const now = performance.now();
    rates.add(stats, now);
    setText(
      chip,
      chipText({ ...stats, blocker: stats.hindrance, storeFailing: view.storeFailing }),
    );
    if (!panelHost.hidden) panel?.show(stats, rates, now);
  };
  const close = (): void => {
    panelHost.hidden = true;
    chip.setAttribute("aria-expanded", "false");
    chip.focus();
  };
  const open = async (): Promise<void> => {
    panelHost.hidden = false;
    chip.setAttribute("aria-expanded", "true");
    if (!panel) {
      const { Panel } = await import("./panel");
      panel = new Panel(panelHost.getRootNode() as Document | ShadowRoot, preferences, close);
      panelHost.append(panel.element);
    }
    refresh();
    await panel.opened();
    refresh();
  };
  chip.setAttribute("aria-expanded", "false");
  chip.disabled = false;
  const toggle = (): void => {
    if (panelHost.hidden) void open();
    else close();
  };
  chip.addEventListener("click", toggle, { signal });
  preferences.addEventListener("change", refresh, { signal });
  const timer = setInterval(refresh, REFRESH_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
  });

  void mayConnect.then(async () => {
    const { noted, share } = preferences.now;
    if (noted || share !== null || !canChoose(view.stats().hindrance) || signal.aborted) return;
    const { showNote } = await import("./note");
    showNote(noteHost, preferences, consent, signal);
  });
}
