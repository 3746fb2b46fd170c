import { expect, it } from "vitest";
import { parseCommand, playingStateOf } from "../../src/embed/messages";

it("parses commands with their ids", () => {
  expect(parseCommand({ shoal: "stats", id: 7 })).toEqual({ command: "stats", id: 7 });
  expect(parseCommand({ shoal: "play" })).toEqual({ command: "play", id: undefined });
});

it.each([null, undefined, "play", 7, {}, { shoal: "explode" }, { shoal: "ready" }, ["play"]])(
  "%o is none",
  (data) => {
    expect(parseCommand(data)).toBeNull();
  },
);

it("reports the player's state for the embedding page", () => {
  const video = { paused: false, muted: true, readyState: 4 };
  expect(playingStateOf(video, "on air")).toEqual({
    shoal: "state",
    state: "playing",
    muted: true,
  });
  expect(playingStateOf({ ...video, paused: true }, "on air").state).toBe("paused");
  expect(playingStateOf(video, "offline").state).toBe("offline");
  expect(playingStateOf(video, "connecting").state).toBe("connecting");
});
