import { afterEach, expect, it, vi } from "vitest";
import { fetchConfig, parseConfig } from "../../src/station/config";

const CONFIG = {
  title: "Shoal",
  poster: "/poster",
  consent: "ask",
  playlist: "/live/playlist.m3u8",
  room: "/ws/room",
  segments: "/live/segments.json",
  replays: "/live/replays.json",
  tracker: "/ws",
  swarm: "shoal",
  standby: "assist",
  ice_servers: [{ urls: ["stun:stun.test"] }],
  join_token: "1.1.abc",
  join_token_lifetime_s: 600,
};

it("URLs are those of the page's host, the room's and the tracker's WebSockets", () => {
  const config = parseConfig(CONFIG, new URL("https://tv.test/"));
  expect(config.playlist.href).toBe("https://tv.test/live/playlist.m3u8");
  expect(config.room.href).toBe("wss://tv.test/ws/room");
  expect(config.tracker.href).toBe("wss://tv.test/ws");
  expect(config.swarm).toBe("shoal");
  expect(config.replays?.href).toBe("https://tv.test/live/replays.json");
  expect(config.poster?.href).toBe("https://tv.test/poster");
  expect(config.consent).toBe("ask");
  expect(config.seedPolicy).toBe("assist");
  expect(config.iceServers).toEqual(CONFIG.ice_servers);
  expect(parseConfig(CONFIG, new URL("http://localhost:8888/")).room.href).toBe(
    "ws://localhost:8888/ws/room",
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("the join token comes with its lifetime, and not without", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig(CONFIG, page).joinToken).toEqual({ text: "1.1.abc", lifetimeMs: 600_000 });
  for (const name of ["join_token", "join_token_lifetime_s"])
    expect(() => parseConfig({ ...CONFIG, [name]: undefined }, page)).toThrow(`${name} is missing`);
  expect(() => parseConfig({ ...CONFIG, join_token_lifetime_s: 0 }, page)).toThrow("is missing");
});

it("is asked for at the root of the page's host; an error of the site is one", async () => {
  const answer = vi.fn<typeof fetch>(() => Promise.resolve(Response.json(CONFIG)));
  vi.stubGlobal("fetch", answer);
  const page = new URL("https://tv.test/embed?x");
  expect((await fetchConfig(page)).title).toBe("Shoal");
  expect(answer.mock.lastCall?.[0]).toEqual(new URL("https://tv.test/config.json"));
  answer.mockResolvedValueOnce(new Response("", { status: 502 }));
  await expect(fetchConfig(page)).rejects.toThrow("502");
});

it("a configuration without a playlist is refused by name", () => {
  const { playlist, ...rest } = CONFIG;
  expect(playlist).toBeDefined();
  expect(() => parseConfig(rest, new URL("https://tv.test/"))).toThrow("playlist is missing");
});

it("a station may keep no replays", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig({ ...CONFIG, replays: null }, page).replays).toBeNull();
});

it("the seed's policy is one that we know, and off is none", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig({ ...CONFIG, standby: "off" }, page).seedPolicy).toBeNull();
  expect(() => parseConfig({ ...CONFIG, standby: "maybe" }, page)).toThrow("standby is maybe");
});
