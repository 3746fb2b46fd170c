import { beforeEach, describe, expect, it, vi } from "vitest";
import type { JoinToken } from "../../src/room/signaling";
import { JoinTokens } from "../../src/room/signaling";

const LIFETIME_MS = 600_000;
const token = (text: string): JoinToken => ({ text, lifetimeMs: LIFETIME_MS });
let nowMs: number;
let renew: ReturnType<typeof vi.fn<(signal: AbortSignal) => Promise<JoinToken>>>;
let tokens: JoinTokens;

beforeEach(() => {
  nowMs = 5_000;
  renew = vi.fn(() => Promise.resolve(token("second")));
  tokens = new JoinTokens({ first: token("first"), renew, now: () => nowMs });
});

describe("a join token", () => {
  it("is current for half of its lifetime", async () => {
    nowMs += LIFETIME_MS / 2;
    expect(tokens.current).toBe("first");
    nowMs += 1;
    expect(tokens.current).toBeNull();
    expect(await tokens.renew()).toBe("second");
    nowMs += LIFETIME_MS / 2;
    expect(tokens.current).toBe("second");
    nowMs += 1;
    expect(tokens.current).toBeNull();
  });

  it("is renewed before it is used again after a rejection", async () => {
    tokens.markRejected();
    expect(tokens.current).toBeNull();
    expect(await tokens.renew()).toBe("second");
    expect(tokens.current).toBe("second");
  });

  it("is used as it is when it cannot be renewed, and renewed next time", async () => {
    renew.mockRejectedValueOnce(new Error("no answer"));
    nowMs += LIFETIME_MS;
    expect(await tokens.renew()).toBe("first");
    expect(tokens.current).toBeNull();
    expect(await tokens.renew()).toBe("second");
  });

  it("is not waited for indefinitely", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort());
    renew.mockImplementation((signal) => {
      signal.throwIfAborted();
      return Promise.resolve(token("late"));
    });
    expect(await tokens.renew()).toBe("first");
    expect(timeout).toHaveBeenCalledWith(5_000);
    timeout.mockRestore();
  });
});
