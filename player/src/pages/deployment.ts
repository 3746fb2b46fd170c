/** Handles pages that are older than their station: it was upgraded while they were open. */

const KEY = "shoal-loaded-again-at";
/** At most one automatic reload in this time, in case reloading does not help. */
const MIN_INTERVAL_MS = 60_000;
/** The error messages of Chromium, Firefox, WebKit and Vite. */
const CHUNK_MISSING = /dynamically imported module|Importing a module script failed|preload CSS/;
/** Viewers who have been here for longer are asked before a reload. */
const SETTLED_MS = 30_000;

/** Reloads the page when a chunk that it loads lazily no longer exists. */
export function reloadWhenReplaced(): void {
  addEventListener("unhandledrejection", ({ reason }) => {
    if (!(reason instanceof Error && CHUNK_MISSING.test(reason.message))) return;
    // a running picture matters more than the missing chunk
    if (performance.now() > SETTLED_MS) showReloadButton();
    else reload();
  });
}

/**
 * Offers a reload when signaling uses another plan version: until then, the page plays from the
 * store.
 */
export function offerUpdate(): void {
  showReloadButton();
  // a hidden page is reloaded without asking
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) reload();
  });
}

function showReloadButton(): void {
  if (document.querySelector(".outdated")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "outdated";
  button.textContent = "A newer version of this page is available. Reload";
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
    // without storage, automatic reloads could go on forever
    showReloadButton();
  }
}
