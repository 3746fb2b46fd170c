/** `/embed`: the player in an iframe, and what the page around it may tell it to do. */

import { Frame } from "../embed/embedded-player";
import type { Command } from "../embed/messages";
import { commandOf, stateOf } from "../embed/messages";
import { takeKeys } from "../ui/mount";
import { outdated, watchParts } from "./deployment";

const page = new URL(location.href);
const autoplay = page.searchParams.get("autoplay");
const host = document.querySelector("main");
if (!host) throw new Error("the page has no <main>");
const frame = new Frame({
  ...{ host, page, signal: new AbortController().signal },
  autoplay: autoplay !== null && autoplay !== "0" && autoplay !== "false",
  here: page.searchParams.get("p2p") !== "0",
  onOutdated: outdated,
});
watchParts();
const { video, controller } = frame;
takeKeys(controller);
window.shoal = { stats: () => frame.player?.stats() ?? null };

/** Origins of the page around, that want to hear of changes. */
const subscribers = new Set<string>();
let told = "";

addEventListener("message", ({ data, source, origin }) => {
  const message = source === parent ? commandOf(data) : null;
  if (message) obey(message.command, message.id, origin);
});
// to anybody: that a player is here is no secret
if (parent !== window) parent.postMessage({ shoal: "ready" }, "*");
for (const type of ["playing", "play", "pause", "volumechange"]) video.addEventListener(type, tell);
new MutationObserver(tell).observe(controller, { attributeFilter: ["data-offline"] });

function obey(command: Command, id: unknown, origin: string): void {
  const answer = (body: Record<string, unknown>): void => {
    parent.postMessage({ ...body, id }, origin);
  };
  switch (command) {
    case "play":
      frame.play().catch((error: unknown) => {
        answer({ shoal: "error", message: String(error) });
      });
      break;
    case "pause":
      frame.pause();
      break;
    case "mute":
    case "unmute":
      video.muted = command === "mute";
      break;
    case "live":
      frame.player?.live.goToLive();
      break;
    case "stats":
      answer({ shoal: "stats", stats: frame.player?.stats() ?? null });
      break;
    case "subscribe":
      subscribers.add(origin);
      answer({ ...state() });
      break;
  }
}

function state() {
  const begun = frame.player !== null && video.readyState >= video.HAVE_CURRENT_DATA;
  const offline = controller.hasAttribute("data-offline");
  return stateOf(video, offline ? "offline" : begun ? "on air" : "connecting");
}

function tell(): void {
  const message = state();
  const text = JSON.stringify(message);
  if (text === told) return;
  told = text;
  for (const origin of subscribers) parent.postMessage(message, origin);
}
