import { afterEach, expect, it, vi } from "vitest";
import { probePlaylist, lastSegmentEnd } from "../../src/hls/playlist-probe";

const PLAYLIST = new URL("https://tv.test/live/playlist.m3u8");
const MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttps://media.test/live/0/a-1.ts\n";
const MULTIVARIANT =
  "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n0/playlist.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n1/playlist.m3u8\n";

afterEach(() => {
  vi.unstubAllGlobals();
});
function answers(bodies: Record<string, string | number>): void {
  vi.stubGlobal("fetch", (url: URL) => {
    const body = bodies[url.pathname];
    if (body === undefined) return Promise.reject(new TypeError("no answer"));
    return Promise.resolve(
      typeof body === "number" ? new Response("", { status: body }) : new Response(body),
    );
  });
}

it.each([
  ["live", { "/live/playlist.m3u8": MEDIA }],
  ["ended", { "/live/playlist.m3u8": `${MEDIA}#EXT-X-ENDLIST\n` }],
  ["none", { "/live/playlist.m3u8": 404 }],
  ["unknown", { "/live/playlist.m3u8": 502 }],
  ["unknown", {}],
  ["live", { "/live/playlist.m3u8": MULTIVARIANT, "/live/0/playlist.m3u8": MEDIA }],
  [
    "ended",
    { "/live/playlist.m3u8": MULTIVARIANT, "/live/0/playlist.m3u8": `${MEDIA}#EXT-X-ENDLIST\n` },
  ],
])("a playlist is %s: %o", async (found, bodies) => {
  answers(bodies);
  expect(await probePlaylist(PLAYLIST)).toBe(found);
});

const ENDED = `#EXTM3U
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

it("a station was on air until its last segment ended", () => {
  expect(lastSegmentEnd(ENDED)?.toISOString()).toBe("2026-11-22T20:00:08.000Z");
});

it.each(["", "#EXTM3U\n#EXTINF:4,\na.ts", "#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:soon\n#EXTINF:4,\na"])(
  "a playlist without dates does not say when",
  (text) => {
    expect(lastSegmentEnd(text)).toBeNull();
  },
);
