import { expect, it } from "vitest";
import { parseConfig } from "../../src/pages/config";

const CONFIG = {
  title: "Shoal",
  playlist: "/live/playlist.m3u8",
  room: "/ws/room",
  segments: "/live/segments.json",
  ice_servers: [{ urls: ["stun:stun.test"] }],
};

it("URLs are those of the page's host, the room's a WebSocket", () => {
  const config = parseConfig(CONFIG, new URL("https://tv.test/"));
  expect(config.playlist.href).toBe("https://tv.test/live/playlist.m3u8");
  expect(config.room.href).toBe("wss://tv.test/ws/room");
  expect(config.iceServers).toEqual(CONFIG.ice_servers);
  expect(parseConfig(CONFIG, new URL("http://localhost:8888/")).room.href).toBe(
    "ws://localhost:8888/ws/room",
  );
});

it("a configuration without a playlist is refused by name", () => {
  const { playlist, ...rest } = CONFIG;
  expect(playlist).toBeDefined();
  expect(() => parseConfig(rest, new URL("https://tv.test/"))).toThrow("playlist is missing");
});
