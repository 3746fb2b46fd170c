/** The note on the first visit: what sharing means, in one sentence, and a way to decline. */

import type { Consent } from "../station/config";
import { adoptStyles, make } from "../ui/dom";
import type { PreferenceStore } from "../ui/preferences";
import noteCss from "./note.css?inline";
import { NOTE } from "./explanations";

/** Shows the note until the viewer has answered, here, in another tab or in the panel. */
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
  // "OK" is not a decision: the station may still ask later
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
