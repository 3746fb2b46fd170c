import { expect, it } from "vitest";
import { EngineHost, addTotals, totalsOf } from "../../src/ui/engine-host";
import { Stats, share } from "../../src/engine/stats";

/** An engine that delivers on command. */
class FakeEngine {
  asked: string[] = [];
  deliver: (name: string) => void = () => undefined;
  constructor(private readonly name: string) {}
  fragment = (url: string, _sequence: number, signal: AbortSignal) => {
    this.asked.push(url);
    return new Promise<never>((resolve, reject) => {
      this.deliver = (text) => {
        resolve({ data: `${text} by ${this.name}`, transferMs: 0 } as never);
      };
      signal.addEventListener("abort", () => {
        reject(new Error("aborted"));
      });
    });
  };
  resource = () => Promise.reject(new Error("no such thing"));
}

it("repeats pending requests to the next engine", async () => {
  const [first, second] = [new FakeEngine("first"), new FakeEngine("second")];
  const source = new EngineHost();
  source.use(first);
  const waiting = source.fragment("a.ts", 1, new AbortController().signal);
  source.use(second);
  await Promise.resolve();
  await Promise.resolve();
  second.deliver("a.ts");
  expect((await waiting).data).toBe("a.ts by second");
  expect([first.asked, second.asked]).toEqual([["a.ts"], ["a.ts"]]);
});

it("passes an engine's error on, without a retry", async () => {
  const engine = new FakeEngine("only");
  const source = new EngineHost();
  source.use(engine);
  const { signal } = new AbortController();
  await expect(source.resource("init.mp4", null, signal, null)).rejects.toThrow("no such thing");
});

it("lets the caller cancel", async () => {
  const engine = new FakeEngine("only");
  const source = new EngineHost();
  source.use(engine);
  const control = new AbortController();
  const waiting = source.fragment("a.ts", 1, control.signal);
  control.abort();
  await expect(waiting).rejects.toThrow("aborted");
  expect(engine.asked).toEqual(["a.ts"]);
});

function counted(p2p: number, store: number, startup: number): Stats {
  const stats = new Stats();
  stats.received("p2p", p2p, false);
  stats.received("store", store, false);
  stats.received("store", startup, true);
  stats.uploaded(p2p / 2);
  stats.stalled();
  stats.segments.complete += 3;
  return stats;
}

it("totals, and the share of them, continue across engines", () => {
  const all = addTotals(totalsOf(counted(600, 400, 50)), totalsOf(counted(300, 700, 0)));
  expect(all.bytes).toEqual({ p2p: 900, store: 1150, seed: 0 });
  expect(all.startup).toEqual({ p2p: 0, store: 50, seed: 0 });
  expect([all.uploaded, all.stalls, all.segments.complete]).toEqual([450, 2, 6]);
  expect(share(all)).toBe(0.45);
});

it("has no share without bytes; for one engine it is the engine's", () => {
  expect(share(totalsOf(new Stats()))).toBeNull();
  const stats = counted(2, 1, 7);
  expect(share(totalsOf(stats))).toBe(stats.share);
});

it("totals are a copy", () => {
  const stats = counted(1, 1, 1);
  const before = totalsOf(stats);
  stats.received("p2p", 10, false);
  stats.segments.complete += 1;
  expect([before.bytes.p2p, before.segments.complete]).toEqual([1, 3]);
});
