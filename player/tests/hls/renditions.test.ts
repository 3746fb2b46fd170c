import { Events } from "hls.js";
import { beforeEach, expect, it } from "vitest";
import { Renditions } from "../../src/hls/renditions";

const level = (height: number) => ({ width: (height * 16) / 9, height, bitrate: height * 4_000 });

/** The part of hls.js that is used. */
class FakeHls {
  handlers = new Map<string, () => void>();
  nextLevel = -1;
  loadLevel = -1;
  levels: ReturnType<typeof level>[];
  constructor(...heights: number[]) {
    this.levels = heights.map(level);
  }
  on(event: string, handler: () => void): void {
    this.handlers.set(event, handler);
  }
  emit(event: string): void {
    this.handlers.get(event)?.();
  }
}
let renditions: Renditions;
let events: string[];
function follow(...heights: number[]): FakeHls {
  const hls = new FakeHls(...heights);
  renditions.follow(hls as never);
  hls.emit(Events.MANIFEST_PARSED);
  return hls;
}
const heights = () => [...renditions].map(({ height }) => height);

beforeEach(() => {
  renditions = new Renditions();
  events = [];
  for (const type of ["addrendition", "removerendition", "change"])
    renditions.addEventListener(type, () => events.push(type));
});

it("lists hls.js's levels, automatic at first", () => {
  follow(180, 360);
  expect(heights()).toEqual([180, 360]);
  expect(renditions[1]).toMatchObject({ id: "1", width: 640, height: 360 });
  expect(renditions.selectedIndex).toBe(-1);
  expect(events).toContain("addrendition");
});

it("offers no choice with one variant, or without sizes", () => {
  follow(360);
  expect(heights()).toEqual([]);
  follow(0, 0);
  expect(renditions.length).toBe(0);
});

it("plays the viewer's choice, and automatic again", () => {
  const hls = follow(180, 360);
  renditions.selectedIndex = 0;
  expect([hls.nextLevel, renditions.selectedIndex]).toEqual([0, 0]);
  renditions.selectedIndex = -1;
  expect([hls.nextLevel, renditions.selectedIndex]).toEqual([-1, -1]);
});

it("keeps the choice across restarts of the player, whatever the new order", () => {
  follow(180, 360);
  renditions.selectedIndex = 1;
  const again = follow(360, 720);
  expect([again.loadLevel, renditions.selectedIndex]).toEqual([0, 0]);
});

it("lets hls.js choose if the chosen one is gone", () => {
  const hls = follow(180, 360, 720);
  renditions.selectedIndex = 2;
  hls.levels = [level(180), level(360)];
  hls.emit(Events.LEVELS_UPDATED);
  expect(heights()).toEqual([180, 360]);
  expect(renditions[2]).toBeUndefined();
  expect(renditions.selectedIndex).toBe(-1);
  expect(events).toContain("removerendition");
});
