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

it("resolves URLs against the page; room and tracker are WebSockets", () => {
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

it("requires the join token and its lifetime", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig(CONFIG, page).joinToken).toEqual({ text: "1.1.abc", lifetimeMs: 600_000 });
  for (const name of ["join_token", "join_token_lifetime_s"])
    expect(() => parseConfig({ ...CONFIG, [name]: undefined }, page)).toThrow(`${name} is not a`);
  expect(() => parseConfig({ ...CONFIG, join_token_lifetime_s: 0 }, page)).toThrow(
    "not a positive",
  );
});

it("is fetched from the root of the page's host; HTTP errors are thrown", async () => {
  const answer = vi.fn<typeof fetch>(() => Promise.resolve(Response.json(CONFIG)));
  vi.stubGlobal("fetch", answer);
  const page = new URL("https://tv.test/embed?x");
  expect((await fetchConfig(page)).title).toBe("Shoal");
  expect(answer.mock.lastCall?.[0]).toEqual(new URL("https://tv.test/config.json"));
  answer.mockResolvedValueOnce(new Response("", { status: 502 }));
  await expect(fetchConfig(page)).rejects.toThrow("502");
});

it("names a missing field", () => {
  const { playlist, ...rest } = CONFIG;
  expect(playlist).toBeDefined();
  expect(() => parseConfig(rest, new URL("https://tv.test/"))).toThrow("playlist is not a string");
});

it("accepts a station without replays", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig({ ...CONFIG, replays: null }, page).replays).toBeNull();
});

it("accepts known seed policies only; off means null", () => {
  const page = new URL("https://tv.test/");
  expect(parseConfig({ ...CONFIG, standby: "off" }, page).seedPolicy).toBeNull();
  expect(() => parseConfig({ ...CONFIG, standby: "maybe" }, page)).toThrow("standby is maybe");
});
