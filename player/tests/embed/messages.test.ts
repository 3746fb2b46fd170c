import { expect, it } from "vitest";
import { parseCommand, playingStateOf } from "../../src/embed/messages";

it("commands are read with what identifies them", () => {
  expect(parseCommand({ shoal: "stats", id: 7 })).toEqual({ command: "stats", id: 7 });
  expect(parseCommand({ shoal: "play" })).toEqual({ command: "play", id: undefined });
});

it.each([null, undefined, "play", 7, {}, { shoal: "explode" }, { shoal: "ready" }, ["play"]])(
  "%o is none",
  (data) => {
    expect(parseCommand(data)).toBeNull();
  },
);

it("the state is what a page around wants to know", () => {
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
