/** The note on the first visit: what sharing means, in one sentence, and a way out. */

import type { Consent } from "../station/config";
import { adoptStyles, make } from "../ui/dom";
import type { PreferenceStore } from "../ui/preferences";
import noteCss from "./note.css?inline";
import { NOTE } from "./explanations";

/** Show it until the viewer has answered, here or in another tab, or in the panel. */
export function showNote(
  host: HTMLElement,
  preferences: PreferenceStore,
  consent: Consent,
  signal: AbortSignal,
): void {
  adoptStyles(host.getRootNode() as Document | ShadowRoot, noteCss);
  const button = (text: string, share: boolean | null, kind: string): HTMLElement => {
    const made = make("button", { type: "button", class: kind }, text);
    made.addEventListener("click", () => {
      preferences.set({ noted: true, ...(share !== null && { share }) });
    });
    return made;
  };
  // who only takes note has decided nothing: the station may ask later
  const yes = consent === "ask" ? button("Share", true, "yes") : button("OK", null, "yes");
  const note = make(
    "aside",
    { class: "note", "aria-label": "Sharing" },
    make("p", {}, NOTE),
    make("div", {}, yes, button("Don't share", false, "no")),
  );
  host.append(note);
  const update = (): void => {
    const { noted, share } = preferences.now;
    if (noted || share !== null) note.remove();
  };
  preferences.addEventListener("change", update, { signal });
  update();
}
