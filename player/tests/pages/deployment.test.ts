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

const { offerUpdate, reloadWhenReplaced } = await import("../../src/pages/deployment");
reloadWhenReplaced();
function rejected(reason: unknown): void {
  page.dispatchEvent(Object.assign(new Event("unhandledrejection"), { reason }));
}
function chunkIsMissing(): void {
  rejected(new TypeError("Failed to fetch dynamically imported module: https://tv.test/a-1.js"));
}

beforeEach(() => {
  made.length = 0;
  memory.clear();
  reload.mockClear();
  openMs = 2_500;
  hidden = false;
});

describe("a lazy chunk that no longer exists", () => {
  it("reloads the page, but only once", () => {
    chunkIsMissing();
    chunkIsMissing();
    expect(reload).toHaveBeenCalledOnce();
  });

  it("is not confused with other errors", () => {
    rejected(new Error("no answer"));
    rejected("dynamically imported module");
    expect(reload).not.toHaveBeenCalled();
  });

  it("does not interrupt viewers who have a picture: they are asked", () => {
    openMs = 100_000;
    chunkIsMissing();
    chunkIsMissing();
    expect(reload).not.toHaveBeenCalled();
    expect(made.map(({ className }) => className)).toEqual(["outdated"]);
    made[0]?.dispatchEvent(new Event("click"));
    expect(reload).toHaveBeenCalledOnce();
  });
});

it("a page with an old plan offers a reload, and reloads itself once hidden", () => {
  offerUpdate();
  expect(made[0]?.textContent).toContain("Reload");
  document.dispatchEvent(new Event("visibilitychange"));
  expect(reload).not.toHaveBeenCalled();
  hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  expect(reload).toHaveBeenCalledOnce();
});
