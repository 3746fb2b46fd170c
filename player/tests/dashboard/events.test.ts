import { expect, it } from "vitest";
import { EventParser } from "../../src/dashboard/events";

it("parses events, wherever the stream is split", () => {
  const text =
    'event: station\ndata: {"live":true}\n\ndata: a\ndata: b\n\n: still here\n\nevent: x\n';
  for (let size = 1; size <= text.length; size += 1) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < text.length; at += size)
      found.push(...parser.push(text.slice(at, at + size)));
    expect(found).toEqual([
      { name: "station", data: '{"live":true}' },
      { name: "message", data: "a\nb" },
    ]);
    expect(parser.push("data: y\n\n")).toEqual([{ name: "x", data: "y" }]);
  }
});
