/** Rooms as a diagram: who fetches from the store, and who pushes to whom. */

import { element, make } from "../ui/dom";
import { makeSvg } from "./elements";
import { UNKNOWN, bytes, percent, seconds } from "../ui/format";
import { count } from "./format";
import { SIZE, STORE, edges, missingLinks, position } from "./layout";
import { shareOf } from "./tiles";
import type { RoomMember, RoomTopology, RoomsView, ViewerSummary } from "./types";

/** At most this many rooms have a button; only a large audience fills more. */
const MAX_BUTTONS = 40;

export class RoomsSection {
  #buttons = element("room-names", HTMLElement);
  #picture = element("picture", HTMLElement);
  #none = element("no-rooms", HTMLElement);
  #view: RoomsView | null = null;
  /** id of the member whose lines are highlighted */
  #selected: string | null = null;

  /** @param onRoom called when the operator chooses another room */
  constructor(private readonly onRoom: (room: string) => void) {}

  show(view: RoomsView | null): void {
    this.#view = view;
    const picture = view?.picture ?? null;
    this.#none.textContent = this.#summary(view);
    const rooms = view?.rooms ?? [];
    this.#buttons.replaceChildren(
      ...(rooms.length > 1 ? rooms.slice(0, MAX_BUTTONS) : []).map(({ room, members }) => {
        const button = make("button", {}, `${shortName(room)} · ${members}`);
        button.type = "button";
        button.dataset["key"] = `room ${room}`;
        button.setAttribute("aria-pressed", String(room === picture?.room));
        button.addEventListener("click", () => {
          this.onRoom(room);
        });
        return button;
      }),
    );
    if (!picture?.members.some(({ id }) => id === this.#selected)) this.#selected = null;
    this.#draw(picture);
  }

  #summary(view: RoomsView | null): string {
    if (!view) return "Signaling does not respond, so there is no data about rooms.";
    const { rooms, apart: notSharing } = view;
    const members = rooms.reduce((sum, room) => sum + room.members, 0);
    const excluded = notSharing > 0 ? ` ${count(notSharing)} not sharing, in no room.` : "";
    if (rooms.length === 0) return `No viewers in rooms.${excluded}`;
    const more = rooms.length > MAX_BUTTONS ? ` Only the ${MAX_BUTTONS} largest are listed.` : "";
    const viewers = members === 1 ? "1 viewer" : `${count(members)} viewers`;
    return `${viewers} in ${rooms.length === 1 ? "1 room" : `${rooms.length} rooms`}.${excluded}${more}`;
  }

  #draw(picture: RoomTopology | null): void {
    const focused = document.activeElement?.getAttribute("data-key");
    this.#picture.replaceChildren(
      ...(picture && picture.members.length > 0 ? [this.#svg(picture), this.#table(picture)] : []),
    );
    if (focused)
      document.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #select(id: string): void {
    this.#selected = this.#selected === id ? null : id;
    this.#draw(this.#view?.picture ?? null);
  }

  #svg(picture: RoomTopology): Element {
    const { members, pushes, from_store: fetched } = picture;
    const selected = members.findIndex(({ id }) => id === this.#selected);
    const lines = edges(picture).map(({ from, to, path, width }) => {
      const kind = from === null ? "fetch" : "push";
      const role = selected < 0 ? "" : from === selected ? "out" : to === selected ? "in" : "other";
      return makeSvg("path", {
        d: path,
        class: `${kind} ${role}`,
        "stroke-width": width.toFixed(1),
      });
    });
    const label =
      `Room ${shortName(picture.room)}: ${members.length} viewers,` +
      ` ${Object.keys(fetched).length} fetch from the store, ${pushes.length} pushes`;
    return make(
      "div",
      { class: "drawing" },
      makeSvg(
        "svg",
        { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": label },
        ...missingLinks(picture).map((d) => makeSvg("path", { d, class: "missing-link" })),
        ...lines,
        makeSvg("rect", {
          class: "store",
          x: STORE.x - 26,
          y: STORE.y - 13,
          width: 52,
          height: 26,
          rx: 6,
        }),
        makeSvg("text", { class: "store-name", x: STORE.x, y: STORE.y + 4 }, "store"),
        ...members.map((member, place) => this.#node(member, place, members.length)),
      ),
      legend(),
    );
  }

  #node(member: RoomMember, place: number, members: number): Element {
    const { x, y } = position(place, members);
    const number = String(place + 1);
    const node = makeSvg(
      "g",
      {
        class: `node ${stateOf(member)}${member.id === this.#selected ? " picked" : ""}`,
        tabindex: 0,
        role: "button",
        "aria-pressed": String(member.id === this.#selected),
        "aria-label": `Viewer ${number}, ${STATES[stateOf(member)]}`,
        "data-key": `node ${member.id}`,
      },
      makeSvg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: members > 16 ? 11 : 14 }),
      makeSvg("text", { x: x.toFixed(1), y: (y + 4).toFixed(1) }, number),
    );
    node.addEventListener("click", () => {
      this.#select(member.id);
    });
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.#select(member.id);
    });
    return node;
  }

  #table({ members }: RoomTopology): Element {
    const head = [
      "",
      "viewer",
      "quality",
      "state",
      "from viewers",
      "sent",
      "links",
      "latency",
      "stalls",
    ];
    const table = make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...head.map((name) => headCell(name, "col")))),
      make("tbody", {}, ...members.map((member, place) => this.#row(member, place))),
    );
    return make("div", { class: "scrolled" }, table);
  }

  #row(member: RoomMember, place: number): Element {
    const { id, variant, figures: stats } = member;
    const cells = [
      id.slice(0, 6),
      String(variant),
      STATES[stateOf(member)],
      percent(stats && steadyShare(stats)),
      bytes(stats?.uploaded),
      count(stats?.links),
      seconds(stats?.latency_s),
      count(stats?.stalls),
    ];
    const row = make("tr", {}, headCell(String(place + 1), "row"));
    row.append(...cells.map((text) => make("td", {}, text)));
    if (id === this.#selected) row.className = "picked";
    return row;
  }
}

type State = "full" | "part" | "receives" | "joining";

const STATES: Record<State, string> = {
  full: "shares",
  part: "shares less (slow uplink)",
  receives: "receives only",
  joining: "connecting",
};

function stateOf({ ready, weight }: RoomMember): State {
  if (!ready) return "joining";
  return weight === 0 ? "receives" : weight < 4 ? "part" : "full";
}

/** Returns the share of one viewer: peer bytes ÷ all bytes, without start-up. */
function steadyShare({ bytes: all, startup }: ViewerSummary): number | null {
  if (!all || !startup) return null;
  const { p2p, store, seed } = all;
  return shareOf({
    p2p: p2p - startup.p2p,
    store: store - startup.store,
    seed: seed - startup.seed,
  });
}

function legend(): Element {
  const entries: [string, string][] = [
    ["push", "pushes to"],
    ["fetch", "fetches from the store"],
    ["missing-link", "no link"],
  ];
  return make(
    "p",
    { class: "hint" },
    "The plan for the newest segment; wider lines carry more pieces. ",
    ...entries.map(([kind, text]) =>
      make(
        "span",
        { class: "key" },
        makeSvg(
          "svg",
          { viewBox: "0 0 20 8", "aria-hidden": "true" },
          makeSvg("path", { d: "M0,4L20,4", class: kind }),
        ),
        text,
      ),
    ),
  );
}

function headCell(text: string, scope: "row" | "col"): HTMLElement {
  const cell = make("th", {}, text);
  cell.scope = scope;
  return cell;
}

/** Room names end in the room's number, after an id of their node. */
function shortName(room: string): string {
  return room === "" ? UNKNOWN : `room ${room.slice(room.lastIndexOf("-") + 1)}`;
}
