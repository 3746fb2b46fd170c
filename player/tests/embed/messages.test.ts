import { expect, it } from "vitest";
import { commandOf, stateOf } from "../../src/embed/messages";

it("commands are read with what identifies them", () => {
  expect(commandOf({ shoal: "stats", id: 7 })).toEqual({ command: "stats", id: 7 });
  expect(commandOf({ shoal: "play" })).toEqual({ command: "play", id: undefined });
});

it.each([null, undefined, "play", 7, {}, { shoal: "explode" }, { shoal: "ready" }, ["play"]])(
  "%o is none",
  (data) => {
    expect(commandOf(data)).toBeNull();
  },
);

it("the state is what a page around wants to know", () => {
  const video = { paused: false, muted: true, readyState: 4 };
  expect(stateOf(video, "on air")).toEqual({ shoal: "state", state: "playing", muted: true });
  expect(stateOf({ ...video, paused: true }, "on air").state).toBe("paused");
  expect(stateOf(video, "offline").state).toBe("offline");
  expect(stateOf(video, "connecting").state).toBe("connecting");
});
