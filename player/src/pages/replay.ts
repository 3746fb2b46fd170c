/** The page /replay: streams that have ended, to be watched again (`?id=`), or a list of them. */

import "media-chrome/dist/media-time-display.js";

import { chipText } from "../panel/chip-text";
import { bytes, moment, percent } from "../ui/format";
import { showNote } from "../panel/note";
import panelCss from "../panel/panel.css?inline";
import { NOTE } from "../panel/explanations";
import { share } from "../engine/stats";
import { isChoice } from "../ui/sharing-mode";
import { addBar } from "../ui/bar";
import { adopt, element, make, say } from "../ui/dom";
import { loadConfig, pictured, takeKeys } from "../ui/mount";
import { PreferenceStore } from "../ui/preferences";
import type { Totals } from "../ui/engine-host";
import type { StationConfig } from "../station/config";
import { outdated, watchParts } from "./deployment";
import type { Replay } from "../station/replays";
import { fetchReplays, length } from "../station/replays";
import { Playback } from "../ui/replay-view";

const REFRESH_MS = 1_000;
const RETRY_MS = 5_000;

interface ReplayStats extends Totals {
  room: string | null;
  /** open links */
  peers: number;
  first_picture_ms: number | null;
  playing: boolean;
}

declare global {
  interface Window {
    replay?: { stats: () => ReplayStats };
  }
}

const page = new URL(location.href);
const wanted = page.searchParams.get("id");
const preferences = new PreferenceStore();

watchParts();
void loadConfig(page).then(async (config) => {
  document.title = `Replays · ${config.title}`;
  const none = element("none", HTMLElement);
  if (config.replays === null) {
    none.textContent = "This station keeps no replays.";
    return;
  }
  const replays = await untilListed(config.replays, none);
  const chosen = replays.find(({ id }) => id === wanted);
  if (replays.length === 0) none.textContent = "There is no replay yet.";
  else if (wanted !== null && !chosen) none.textContent = "This replay is no longer there.";
  else none.textContent = chosen ? "All replays" : "Streams to be watched again";
  element("list", HTMLElement).append(...replays.map(entry));
  if (chosen) play(chosen, config);
});

function entry(replay: Replay): HTMLElement {
  const link = make("a", { href: `/replay?id=${encodeURIComponent(replay.id)}` }, name(replay));
  if (replay.id === wanted) link.setAttribute("aria-current", "page");
  return make("li", {}, link, ` · ${length(replay.durationS)} · ${bytes(replay.size)}`);
}

/** "Today at 20:15" */
function name({ begun }: Replay): string {
  const when = moment(begun, new Date()).replace(/^on /, "");
  return when.charAt(0).toUpperCase() + when.slice(1);
}

function play(replay: Replay, config: StationConfig): void {
  adopt(document, panelCss);
  const title = name(replay);
  document.title = `${title} · ${config.title}`;
  element("title", HTMLElement).textContent = title;
  const controller = element("player", HTMLElement);
  controller.hidden = false;
  takeKeys(controller);
  const video = element("video", HTMLVideoElement);
  if (config.poster) video.poster = config.poster.href;
  const playback = new Playback({
    ...{ video, page, config, replay, preferences },
    here: page.searchParams.get("p2p") !== "0",
    begun: pictured(video),
    onOutdated: outdated,
  });
  window.replay = {
    stats: () => ({
      ...playback.totals,
      room: playback.membership.room,
      peers: playback.peers,
      first_picture_ms: playback.firstPictureMs,
      playing: !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
    }),
  };
  offerTorrent(replay);
  showSharing(playback, config);
  playback.load();
  // as a button it would be named otherwise than it reads
  const time = make("media-time-display" as "div", { showduration: "", notoggle: "" });
  void addBar({ controller, video, own: [time], signal: new AbortController().signal });
  // refused where the viewer must click first
  video.play().catch(() => undefined);
}

function offerTorrent({ torrent }: Replay): void {
  if (!torrent) return;
  element("magnet", HTMLAnchorElement).href = torrent.magnet;
  element("torrent", HTMLAnchorElement).href = torrent.file.href;
  element("whole", HTMLElement).hidden = false;
}

function showSharing(playback: Playback, config: StationConfig): void {
  const chip = element("state", HTMLElement);
  const wish = element("share", HTMLInputElement);
  const table = element("figures", HTMLElement);
  element("about", HTMLElement).hidden = chip.hidden = false;
  element("explained", HTMLElement).textContent = NOTE;
  element("choice", HTMLElement).hidden = !isChoice(playback.hindrance);
  const rows = ["From viewers", "From the store", "Sent to viewers", "Connected"].map((name) => {
    const value = make("dd");
    table.append(make("div", {}, make("dt", {}, name), value));
    return value;
  });
  const refresh = (): void => {
    const { hindrance, peers, storeFailing, totals } = playback;
    const { members, unreachable } = playback.membership;
    wish.checked = hindrance === null;
    const part = share(totals);
    say(chip, chipText({ hindrance, peers, share: part, members, unreachable, storeFailing }));
    const texts = [
      `${bytes(totals.bytes.p2p)} (${percent(part)})`,
      ...[bytes(totals.bytes.store), bytes(totals.uploaded)],
      peers === 1 ? "1 viewer" : `${peers} viewers`,
    ];
    for (const [index, value] of rows.entries()) say(value, texts[index] ?? "");
  };
  wish.addEventListener("change", () => {
    preferences.set({ share: wish.checked });
  });
  preferences.addEventListener("change", refresh);
  addEventListener("storage", ({ key }) => {
    preferences.storageChanged(key);
  });
  refresh();
  setInterval(refresh, REFRESH_MS);
  const { noted, share: decided } = preferences.now;
  if (!noted && decided === null && isChoice(playback.hindrance))
    showNote(
      element("note", HTMLElement),
      preferences,
      config.consent,
      new AbortController().signal,
    );
}

/** Asks for the list, for as long as it takes. */
async function untilListed(list: URL, status: HTMLElement): Promise<Replay[]> {
  for (;;) {
    try {
      return await fetchReplays(list);
    } catch (error) {
      console.warn("the list of replays cannot be read", error);
      say(status, "The station does not answer. This page goes on trying.");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
