/** `/embed`: the player for an iframe, controlled by messages from the page around it. */

import { EmbeddedPlayer } from "../embed/embedded-player";
import type { Command } from "../embed/messages";
import { parseCommand, playingStateOf } from "../embed/messages";
import { forwardKeys } from "../ui/mount";
import { offerUpdate, reloadWhenReplaced } from "./deployment";

const page = new URL(location.href);
const autoplay = page.searchParams.get("autoplay");
const host = document.querySelector("main");
if (!host) throw new Error("the page has no <main>");
const player = new EmbeddedPlayer({
  ...{ host, page, signal: new AbortController().signal },
  autoplay: autoplay !== null && autoplay !== "0" && autoplay !== "false",
  sharingAllowed: page.searchParams.get("p2p") !== "0",
  onOutdated: offerUpdate,
});
reloadWhenReplaced();
const { video, controller } = player;
forwardKeys(controller);
window.shoal = { stats: () => player.view?.stats() ?? null };

/** Origins of embedding pages that have subscribed to state changes. */
const subscribers = new Set<string>();
let lastSent = "";

addEventListener("message", ({ data, source, origin }) => {
  const message = source === parent ? parseCommand(data) : null;
  if (message) execute(message.command, message.id, origin);
});
// to any origin: that there is a player is not a secret
if (parent !== window) parent.postMessage({ shoal: "ready" }, "*");
for (const type of ["playing", "play", "pause", "volumechange"])
  video.addEventListener(type, notify);
new MutationObserver(notify).observe(controller, { attributeFilter: ["data-offline"] });

function execute(command: Command, id: unknown, origin: string): void {
  const answer = (body: Record<string, unknown>): void => {
    parent.postMessage({ ...body, id }, origin);
  };
  switch (command) {
    case "play":
      player.play().catch((error: unknown) => {
        answer({ shoal: "error", message: String(error) });
      });
      break;
    case "pause":
      player.pause();
      break;
    case "mute":
    case "unmute":
      video.muted = command === "mute";
      break;
    case "live":
      player.view?.live.goToLive();
      break;
    case "stats":
      answer({ shoal: "stats", stats: player.view?.stats() ?? null });
      break;
    case "subscribe":
      subscribers.add(origin);
      answer({ ...state() });
      break;
  }
}

function state() {
  const hasPicture = player.view !== null && video.readyState >= video.HAVE_CURRENT_DATA;
  const offline = controller.hasAttribute("data-offline");
  return playingStateOf(video, offline ? "offline" : hasPicture ? "on air" : "connecting");
}

function notify(): void {
  const message = state();
  const text = JSON.stringify(message);
  if (text === lastSent) return;
  lastSent = text;
  for (const origin of subscribers) parent.postMessage(message, origin);
}
