import { expect, it } from "vitest";
import { Switch } from "../../src/ui/engine-host";

/** An engine that delivers when it is told to. */
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

it("what the engine before has not delivered is asked of the next one", async () => {
  const [first, second] = [new FakeEngine("first"), new FakeEngine("second")];
  const source = new Switch();
  source.to(first);
  const waiting = source.fragment("a.ts", 1, new AbortController().signal);
  source.to(second);
  await Promise.resolve();
  await Promise.resolve();
  second.deliver("a.ts");
  expect((await waiting).data).toBe("a.ts by second");
  expect([first.asked, second.asked]).toEqual([["a.ts"], ["a.ts"]]);
});

it("an error is the engine's answer, and is not asked again", async () => {
  const engine = new FakeEngine("only");
  const source = new Switch();
  source.to(engine);
  const { signal } = new AbortController();
  await expect(source.resource("init.mp4", null, signal, null)).rejects.toThrow("no such thing");
});

it("who asked may give up", async () => {
  const engine = new FakeEngine("only");
  const source = new Switch();
  source.to(engine);
  const control = new AbortController();
  const waiting = source.fragment("a.ts", 1, control.signal);
  control.abort();
  await expect(waiting).rejects.toThrow("aborted");
  expect(engine.asked).toEqual(["a.ts"]);
});
