import { expect, it } from "vitest";
import { content, sha256, verify } from "../support";

it("only bytes with the right hash pass", async () => {
  const bytes = content(1_000);
  const hash = await sha256(bytes);
  expect(await verify(bytes, hash)).toBe(true);
  expect(await verify(bytes.subarray(1), hash)).toBe(false);
  expect(await verify(bytes, "")).toBe(false);
});
