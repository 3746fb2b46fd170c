import { beforeEach, describe, expect, it, vi } from "vitest";

class FakeElement extends EventTarget {
  className = "";
  type = "";
  textContent = "";
}

const made: FakeElement[] = [];
const page = new EventTarget();
const memory = new Map<string, string>();
const reload = vi.fn();
let openMs = 0;
let hidden = false;

vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
vi.stubGlobal("location", { reload });
vi.stubGlobal("sessionStorage", {
  getItem: (key: string) => memory.get(key) ?? null,
  setItem: (key: string, value: string) => memory.set(key, value),
});
const document = Object.assign(new EventTarget(), {
  querySelector: () => made[0] ?? null,
  createElement: () => new FakeElement(),
  body: { append: (element: FakeElement) => made.push(element) },
});
Object.defineProperty(document, "hidden", { get: () => hidden });
vi.stubGlobal("document", document);
vi.stubGlobal("performance", { now: () => openMs });

const { offerUpdate: outdated, reloadWhenReplaced: watchParts } =
  await import("../../src/pages/deployment");
watchParts();
function rejected(reason: unknown): void {
  page.dispatchEvent(Object.assign(new Event("unhandledrejection"), { reason }));
}
function partIsMissing(): void {
  rejected(new TypeError("Failed to fetch dynamically imported module: https://tv.test/a-1.js"));
}

beforeEach(() => {
  made.length = 0;
  memory.clear();
  reload.mockClear();
  openMs = 2_500;
  hidden = false;
});

describe("a part of the page that is gone", () => {
  it("loads the page again, but not again and again", () => {
    partIsMissing();
    partIsMissing();
    expect(reload).toHaveBeenCalledOnce();
  });

  it("is nothing else that went wrong", () => {
    rejected(new Error("no answer"));
    rejected("dynamically imported module");
    expect(reload).not.toHaveBeenCalled();
  });

  it("costs nobody the picture: who has one is asked", () => {
    openMs = 100_000;
    partIsMissing();
    partIsMissing();
    expect(reload).not.toHaveBeenCalled();
    expect(made.map(({ className }) => className)).toEqual(["outdated"]);
    made[0]?.dispatchEvent(new Event("click"));
    expect(reload).toHaveBeenCalledOnce();
  });
});

it("a page whose plan is old says so, and loads itself again once nobody sees it", () => {
  outdated();
  expect(made[0]?.textContent).toContain("load it again");
  document.dispatchEvent(new Event("visibilitychange"));
  expect(reload).not.toHaveBeenCalled();
  hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  expect(reload).toHaveBeenCalledOnce();
});
