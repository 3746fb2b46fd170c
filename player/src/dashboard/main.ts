/** The operator's dashboard: sign-in, the stream of events, and what is shown of them. */

import { charts } from "./charts";
import { Connection } from "./connection";
import { CostRate } from "./costs";
import { element, make } from "../ui/dom";
import type { ServerEvent } from "./events";
import { ago, clock } from "./format";
import { HistoryWindow } from "./history";
import { healthFacts, problemLines } from "./problems";
import { RoomsSection } from "./rooms";
import { tiles } from "./tiles";
import type { Station } from "./health";
import type { EventData } from "./types";

/** Kept for this tab only. */
const TOKEN_KEY = "shoal-operator-token";

const signIn = element("sign-in", HTMLFormElement);
const tokenField = element("token", HTMLInputElement);
const refused = element("refused", HTMLElement);
const content = element("stats", HTMLElement);
const air = element("air", HTMLElement);
const contact = element("contact", HTMLElement);
const span = element("span", HTMLFieldSetElement);
const signOut = element("sign-out", HTMLButtonElement);

let connection: Connection | null = null;
let history = new HistoryWindow(spanS());
let costRate = new CostRate();
let room: string | null = null;
let station: Station | null = null;
let updateCharts: ReturnType<typeof charts> | null = null;
const rooms = new RoomsSection((chosen) => {
  room = chosen;
  connection?.reopen();
});

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  const token = tokenField.value.trim();
  tokenField.value = "";
  if (token) start(token);
});
signOut.addEventListener("click", () => {
  askForToken(false);
});
span.addEventListener("change", () => {
  history = new HistoryWindow(spanS());
  updateCharts?.(history.series());
  connection?.reopen();
});

const storedToken = sessionStorage.getItem(TOKEN_KEY);
if (storedToken === null) askForToken(false);
else start(storedToken);

function start(token: string): void {
  signIn.hidden = refused.hidden = true;
  contact.hidden = false;
  showContact("connecting", false);
  connection?.close();
  connection = new Connection({
    url: eventsUrl,
    token,
    onEvent: (event) => {
      sessionStorage.setItem(TOKEN_KEY, token);
      onEvent(event);
    },
    onLost: (why) => {
      showContact(`no connection since ${clock(Date.now() / 1000, true)}, retrying`, true, why);
      document.body.toggleAttribute("data-stale", true);
    },
    onRefused: () => {
      askForToken(true);
    },
  });
}

function askForToken(rejected: boolean): void {
  connection?.close();
  connection = null;
  sessionStorage.removeItem(TOKEN_KEY);
  content.hidden = span.hidden = signOut.hidden = air.hidden = contact.hidden = true;
  signIn.hidden = false;
  refused.hidden = !rejected;
  history = new HistoryWindow(spanS());
  costRate = new CostRate();
  station = null;
  tokenField.focus();
}

/** Returns the URL of the events, without data that the page already has. */
function eventsUrl(): URL {
  const url = new URL("/api/events", location.href);
  const after = history.newest ?? Date.now() / 1000 - history.spanS;
  url.searchParams.set("after", after.toFixed(0));
  if (room !== null) url.searchParams.set("room", room);
  return url;
}

function onEvent({ name, data }: ServerEvent): void {
  if (content.hidden) {
    content.hidden = span.hidden = signOut.hidden = air.hidden = false;
    updateCharts ??= charts((id) => element(id, HTMLElement));
    updateCharts(history.series());
  }
  document.body.toggleAttribute("data-stale", false);
  showContact(`as of ${clock(Date.now() / 1000, true)}`, false);
  try {
    const value: unknown = JSON.parse(data);
    if (name === "station") showStation(value as Station);
    else if (name === "history") {
      history.add(value as EventData["history"]);
      updateCharts?.(history.series());
      if (station) showTiles(station);
    } else if (name === "rooms") rooms.show(value as EventData["rooms"]);
  } catch (error) {
    // the site was upgraded while this page was open
    showContact("this page is older than the station: reload it", true, String(error));
  }
}

function showStation(now: Station): void {
  station = now;
  costRate.add(now.cost, performance.now() / 1000);
  const { live } = now;
  air.textContent = live === null ? "unknown" : live ? "on air" : "offline";
  air.className = `pill ${live ? "good" : ""}`;
  showTiles(now);
  element("problems", HTMLElement).replaceChildren(
    ...problemLines(now).map(({ service, message, since }) =>
      make(
        "li",
        {},
        make("strong", {}, service),
        ` ${message}`,
        ...(since === null ? [] : [make("small", { title: since }, ` ${ago(since, Date.now())}`)]),
      ),
    ),
  );
  element("services", HTMLElement).replaceChildren(
    ...Object.entries(now.services).map(([name, health]) =>
      make(
        "article",
        {},
        make(
          "h3",
          {},
          name,
          " ",
          make("span", { class: `pill ${health.status === "ok" ? "good" : "bad"}` }, health.status),
        ),
        make(
          "dl",
          {},
          ...healthFacts(health).flatMap(([fact, value]) => [
            make("dt", {}, fact),
            make("dd", {}, value),
          ]),
        ),
      ),
    ),
  );
}

function showTiles(now: Station): void {
  element("tiles", HTMLElement).replaceChildren(
    ...tiles(now, history, costRate.hourly).map(({ name, value, detail, tone }) =>
      make(
        "div",
        { class: `tile ${tone}` },
        make("h2", {}, name),
        make("p", { class: "value" }, value),
        make("p", { class: "hint" }, detail),
      ),
    ),
  );
}

function showContact(text: string, bad: boolean, title = ""): void {
  contact.textContent = text;
  contact.title = title;
  contact.className = `pill ${bad ? "bad" : ""}`;
}

function spanS(): number {
  const chosen = document.querySelector<HTMLInputElement>("[name=span]:checked");
  return Number(chosen?.value ?? 3600);
}
