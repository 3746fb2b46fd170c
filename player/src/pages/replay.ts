/** The page /replay: the list of replays, or one of them (`?id=`). */

import "media-chrome/dist/media-time-display.js";

import { chipText } from "../panel/chip-text";
import { bytes, moment, percent } from "../ui/format";
import { showNote } from "../panel/note";
import panelCss from "../panel/panel.css?inline";
import { NOTE } from "../panel/explanations";
import { share } from "../engine/stats";
import { canChoose } from "../ui/sharing-mode";
import { addControlBar } from "../ui/bar";
import { adoptStyles, element, make, setText } from "../ui/dom";
import { loadConfig, firstPicture, forwardKeys } from "../ui/mount";
import { PreferenceStore } from "../ui/preferences";
import type { Totals } from "../ui/engine-host";
import type { StationConfig } from "../station/config";
import { offerUpdate, reloadWhenReplaced } from "./deployment";
import type { Replay } from "../station/replays";
import { fetchReplays, durationText } from "../station/replays";
import { ReplayView } from "../ui/replay-view";

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
const requestedId = page.searchParams.get("id");
const preferences = new PreferenceStore();

reloadWhenReplaced();
void loadConfig(page).then(async (config) => {
  document.title = `Replays · ${config.title}`;
  const listStatus = element("list-status", HTMLElement);
  if (config.replays === null) {
    listStatus.textContent = "This station does not keep replays.";
    return;
  }
  const replays = await fetchReplaysWithRetry(config.replays, listStatus);
  const chosen = replays.find(({ id }) => id === requestedId);
  if (replays.length === 0) listStatus.textContent = "There are no replays yet.";
  else if (requestedId !== null && !chosen)
    listStatus.textContent = "This replay is no longer available.";
  else listStatus.textContent = chosen ? "All replays" : "Past streams";
  element("list", HTMLElement).append(...replays.map(listItem));
  if (chosen) play(chosen, config);
});

function listItem(replay: Replay): HTMLElement {
  const link = make("a", { href: `/replay?id=${encodeURIComponent(replay.id)}` }, titleOf(replay));
  if (replay.id === requestedId) link.setAttribute("aria-current", "page");
  return make("li", {}, link, ` · ${durationText(replay.durationS)} · ${bytes(replay.size)}`);
}

/** Returns a replay's title, such as "Today at 20:15". */
function titleOf({ start }: Replay): string {
  const when = moment(start, new Date()).replace(/^on /, "");
  return when.charAt(0).toUpperCase() + when.slice(1);
}

function play(replay: Replay, config: StationConfig): void {
  adoptStyles(document, panelCss);
  const title = titleOf(replay);
  document.title = `${title} · ${config.title}`;
  element("title", HTMLElement).textContent = title;
  const controller = element("player", HTMLElement);
  controller.hidden = false;
  forwardKeys(controller);
  const video = element("video", HTMLVideoElement);
  if (config.poster) video.poster = config.poster.href;
  const view = new ReplayView({
    ...{ video, page, config, replay, preferences },
    sharingAllowed: page.searchParams.get("p2p") !== "0",
    mayConnect: firstPicture(video),
    onOutdated: offerUpdate,
  });
  window.replay = {
    stats: () => ({
      ...view.totals,
      room: view.membership.room,
      peers: view.peers,
      first_picture_ms: view.firstPictureMs,
      playing: !video.paused && video.readyState > video.HAVE_CURRENT_DATA,
    }),
  };
  offerTorrent(replay);
  showSharing(view, config);
  view.load();
  // as a button, its accessible name would differ from its text
  const time = make("media-time-display" as "div", { showduration: "", notoggle: "" });
  void addControlBar({ controller, video, extra: [time], signal: new AbortController().signal });
  // rejected if the viewer must click first
  video.play().catch(() => undefined);
}

function offerTorrent({ torrent }: Replay): void {
  if (!torrent) return;
  element("magnet", HTMLAnchorElement).href = torrent.magnet;
  element("torrent", HTMLAnchorElement).href = torrent.file.href;
  element("download", HTMLElement).hidden = false;
}

function showSharing(view: ReplayView, config: StationConfig): void {
  const chip = element("state", HTMLElement);
  const shareSwitch = element("share", HTMLInputElement);
  const table = element("stats", HTMLElement);
  element("about", HTMLElement).hidden = chip.hidden = false;
  element("explanation", HTMLElement).textContent = NOTE;
  element("choice", HTMLElement).hidden = !canChoose(view.blocker);
  const rows = ["From viewers", "From the store", "Sent to viewers", "Connected to"].map((name) => {
    const value = make("dd");
    table.append(make("div", {}, make("dt", {}, name), value));
    return value;
  });
  const refresh = (): void => {
    const { blocker, peers, storeFailing, totals } = view;
    const { members, unreachable } = view.membership;
    shareSwitch.checked = blocker === null;
    const part = share(totals);
    setText(chip, chipText({ blocker, peers, share: part, members, unreachable, storeFailing }));
    const texts = [
      `${bytes(totals.bytes.p2p)} (${percent(part)})`,
      ...[bytes(totals.bytes.store), bytes(totals.uploaded)],
      peers === 1 ? "1 viewer" : `${peers} viewers`,
    ];
    for (const [index, value] of rows.entries()) setText(value, texts[index] ?? "");
  };
  shareSwitch.addEventListener("change", () => {
    preferences.set({ share: shareSwitch.checked });
  });
  preferences.addEventListener("change", refresh);
  addEventListener("storage", ({ key }) => {
    preferences.storageChanged(key);
  });
  refresh();
  setInterval(refresh, REFRESH_MS);
  const { noted, share: decided } = preferences.now;
  if (!noted && decided === null && canChoose(view.blocker))
    showNote(
      element("note", HTMLElement),
      preferences,
      config.consent,
      new AbortController().signal,
    );
}

/** Fetches the list, retrying until it succeeds. */
async function fetchReplaysWithRetry(list: URL, status: HTMLElement): Promise<Replay[]> {
  for (;;) {
    try {
      return await fetchReplays(list);
    } catch (error) {
      console.warn("cannot read the list of replays, retrying", error);
      setText(status, "The station is not responding. Trying again…");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
