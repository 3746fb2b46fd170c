import { expect, it } from "vitest";
import { ExpectedTime, SourceHealth } from "../../src/engine/source-health";

function health() {
  const clock = { ms: 0 };
  return {
    clock,
    health: new SourceHealth(
      () => clock.ms,
      () => 1,
    ),
  };
}

it("a source that works may always be asked", () => {
  const { health: it } = health();
  expect([it.failing, it.mayTry(), it.mayTry()]).toEqual([false, true, true]);
});

it("a failing source is retried once per backoff, which grows to five seconds", () => {
  const { clock, health: it } = health();
  it.failed();
  expect(it.failing).toBe(true);
  for (const pauseMs of [1_000, 2_000, 4_000, 5_000, 5_000]) {
    clock.ms += pauseMs - 1;
    expect(it.mayTry()).toBe(false);
    clock.ms += 1;
    expect([it.mayTry(), it.mayTry()]).toEqual([true, false]);
    it.failed();
  }
});

it("requests that fail together count as one failure", () => {
  const { clock, health: it } = health();
  it.failed();
  it.failed();
  it.failed();
  clock.ms = 1_000;
  expect(it.mayTry()).toBe(true);
});

it("a success ends the backoff, and the next one is short again", () => {
  const { clock, health: it } = health();
  it.failed();
  clock.ms = 1_000;
  it.mayTry();
  it.failed();
  it.succeeded();
  expect([it.failing, it.mayTry()]).toEqual([false, true]);
  it.failed();
  clock.ms += 1_000;
  expect(it.mayTry()).toBe(true);
});

it("the expected time follows the samples, within bounds", () => {
  const time = new ExpectedTime();
  expect(time.ms).toBe(1_000);
  for (let i = 0; i < 100; i += 1) time.add(300);
  expect(time.ms).toBe(400);
  for (let i = 0; i < 100; i += 1) time.add(i % 2 ? 1_000 : 6_000);
  expect(time.ms).toBe(4_000);
});
