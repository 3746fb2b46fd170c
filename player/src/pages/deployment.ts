/** A page that is older than its station: a deployment came while it was open. */

const KEY = "shoal-loaded-again-at";
/** What a new page does not mend it shall not try again and again. */
const MIN_INTERVAL_MS = 60_000;
/** As Chromium, Firefox, WebKit and Vite say it. */
const CHUNK_MISSING = /dynamically imported module|Importing a module script failed|preload CSS/;
/** Who has been here for so long is asked first. */
const SETTLED_MS = 30_000;

/** Loads the page again when a part of it that is asked for only now has been replaced. */
export function reloadWhenReplaced(): void {
  addEventListener("unhandledrejection", ({ reason }) => {
    if (!(reason instanceof Error && CHUNK_MISSING.test(reason.message))) return;
    // the picture is worth more than what is missing
    if (performance.now() > SETTLED_MS) showReloadButton();
    else reload();
  });
}

/** Signaling plans otherwise than this page: it plays on from the store, until it is loaded again. */
export function offerUpdate(): void {
  showReloadButton();
  // nobody minds what nobody sees
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) reload();
  });
}

function showReloadButton(): void {
  if (document.querySelector(".outdated")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "outdated";
  button.textContent = "The station has a newer version of this page: load it again";
  button.addEventListener("click", () => {
    location.reload();
  });
  document.body.append(button);
}

function reload(): void {
  try {
    const now = Date.now();
    if (Math.abs(now - Number(sessionStorage.getItem(KEY))) < MIN_INTERVAL_MS) return;
    sessionStorage.setItem(KEY, String(now));
    location.reload();
  } catch {
    showReloadButton(); // without a memory it could go on for ever
  }
}
