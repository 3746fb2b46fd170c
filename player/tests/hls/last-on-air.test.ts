import { expect, it } from "vitest";
import { endOf } from "../../src/hls/last-on-air";

const PLAYLIST = `#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:00.000Z
#EXTINF:4.000,
a-7.ts
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:04.500Z
#EXTINF:2.5,
a-8.ts
#EXTINF:1.0,
a-9.ts
#EXT-X-ENDLIST
`;

it("a station was on air until the end of its last segment", () => {
  expect(endOf(PLAYLIST)?.toISOString()).toBe("2026-11-22T20:00:08.000Z");
});

it.each(["", "#EXTM3U\n#EXTINF:4,\na.ts", "#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:soon\n#EXTINF:4,\na"])(
  "a playlist without dates does not say when",
  (text) => {
    expect(endOf(text)).toBeNull();
  },
);
