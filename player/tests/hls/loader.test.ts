import type { FragmentLoaderContext, LoaderCallbacks, LoaderConfiguration } from "hls.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../src/engine/engine";
import { fragmentLoader } from "../../src/hls/loader";
import { StoreError } from "../../src/engine/store";

const URL_7 = "https://media.test/live/0/stream-a-7.ts";
const POLICY = { loadPolicy: { maxLoadTimeMs: 20_000 } } as LoaderConfiguration;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function load(source: Partial<Pick<Engine, "fragment" | "resource">>, change: object = {}) {
  const engine = {
    fragment: source.fragment ?? (() => Promise.reject(new Error("not asked for"))),
    resource: source.resource ?? (() => Promise.reject(new Error("not asked for"))),
  };
  const Loader = fragmentLoader(engine, () => 50_000);
  const loader = new Loader({} as never);
  const callbacks = {
    onSuccess: vi.fn<LoaderCallbacks<FragmentLoaderContext>["onSuccess"]>(),
    onError: vi.fn<LoaderCallbacks<FragmentLoaderContext>["onError"]>(),
    onTimeout: vi.fn<LoaderCallbacks<FragmentLoaderContext>["onTimeout"]>(),
    onAbort: vi.fn<NonNullable<LoaderCallbacks<FragmentLoaderContext>["onAbort"]>>(),
  };
  const context = { url: URL_7, frag: { sn: 7 }, ...change } as unknown as FragmentLoaderContext;
  loader.load(context, POLICY, callbacks);
  return { loader, ...callbacks };
}
const forever = () => new Promise<never>(() => undefined);
const pause = () => vi.advanceTimersByTimeAsync(0);

describe("the fragment loader", () => {
  it("delivers a fragment, timed by the network without waiting", async () => {
    const data = new ArrayBuffer(1_000);
    const fragment = vi.fn(() => Promise.resolve({ data, transferMs: 400 }));
    const { loader, onSuccess, onError } = load({ fragment });
    await pause();
    expect(fragment).toHaveBeenCalledWith(URL_7, 7, expect.any(AbortSignal));
    expect(onSuccess.mock.calls[0]?.[0]).toEqual({ url: URL_7, data, code: 200 });
    expect(loader.stats).toMatchObject({
      loaded: 1_000,
      total: 1_000,
      loading: { start: 49_600, first: 49_600, end: 50_000 },
    });
    expect(onError).not.toHaveBeenCalled();
  });

  it.each([
    ["init segments", { frag: { sn: "initSegment" } }, null, null],
    ["byte ranges", { rangeStart: 10, rangeEnd: 30 }, { first: 10, end: 30 }, 7],
  ])("takes %s from the store", async (_, change, range, sequence) => {
    const resource = vi.fn(() => Promise.resolve(new ArrayBuffer(20)));
    const { onSuccess } = load({ resource }, change);
    await pause();
    expect(resource).toHaveBeenCalledWith(URL_7, range, expect.any(AbortSignal), sequence);
    expect(onSuccess).toHaveBeenCalledOnce();
  });

  it("reports the store's status when a fragment cannot be had", async () => {
    const { onError } = load({ fragment: () => Promise.reject(new StoreError(404, "gone")) });
    await pause();
    expect(onError.mock.calls[0]?.[0]).toEqual({ code: 404, text: "gone" });
  });

  it("calls back once when aborted", async () => {
    const { loader, onAbort, onSuccess, onTimeout } = load({ fragment: forever });
    loader.abort();
    loader.abort();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(loader.stats.aborted).toBe(true);
    expect(onAbort).toHaveBeenCalledOnce();
    expect(onSuccess).not.toHaveBeenCalled();
    expect(onTimeout).not.toHaveBeenCalled();
  });

  it("does not call back after destroy", async () => {
    const { loader, onAbort, onSuccess } = load({
      fragment: () => Promise.resolve({ data: new ArrayBuffer(1), transferMs: 1 }),
    });
    loader.destroy();
    await pause();
    expect(onAbort).not.toHaveBeenCalled();
    expect(onSuccess).not.toHaveBeenCalled();
  });

  it("times out as hls.js asks", async () => {
    const { onTimeout } = load({ fragment: forever });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(onTimeout).toHaveBeenCalledOnce();
  });
});
