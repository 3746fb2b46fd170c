"""Scripts that run before a page's own: they corrupt sent pieces, or record played segments.

They patch the browser's own objects, because the player has no hooks for this.
"""

from collections.abc import Iterable, Mapping
from typing import Any

CORRUPT_PIECES = """
{
  const send = RTCDataChannel.prototype.send;
  window.corrupt = false;
  window.corrupted = 0;
  RTCDataChannel.prototype.send = function (data) {
    // docs/protocol.md, "Pieces on the wire": type 1 is a piece, its header has 16 bytes
    if (!window.corrupt || data[0] !== 1) return send.call(this, data);
    const frame = data.slice();
    frame[16] ^= 0xff;
    window.corrupted += 1;
    return send.call(this, frame);
  };
}
"""
"""while `window.corrupt`, each sent piece gets a wrong byte; `window.corrupted` counts them"""

CORRUPT_P2PML_PIECES = """
const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  const bytes = new Uint8Array(data).slice();
  // the library's other messages are shorter
  if (bytes.length > 10000) bytes[5000] ^= 1;
  send.call(this, bytes);
};
"""
"""the same for p2p-media-loader's pages, from the start"""

RECORD_SEGMENTS = """
{
  const Original = Uint8Array;
  const MPEG_TS_PACKET_BYTES = 188;
  const MIN_SEGMENT_BYTES = 100 * MPEG_TS_PACKET_BYTES;
  window.demuxed = [];
  const record = async (bytes) => {
    const digest = new Original(await crypto.subtle.digest("SHA-256", bytes));
    window.demuxed.push(Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  };
  // hls.js's demuxer makes a view of the whole buffer that its loader returned
  window.Uint8Array = new Proxy(Original, {
    construct(target, given, newTarget) {
      const view = Reflect.construct(target, given, newTarget);
      const [buffer] = given;
      if (
        given.length === 1 &&
        buffer instanceof ArrayBuffer &&
        buffer.byteLength >= MIN_SEGMENT_BYTES &&
        buffer.byteLength % MPEG_TS_PACKET_BYTES === 0
      )
        void record(buffer.slice(0));
      return view;
    },
  });
}
"""
"""`window.demuxed` lists the SHA-256, hex, of each segment that hls.js's demuxer received"""


def unpublished_segments(
    demuxed: Iterable[str], published: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Return the hashes in `demuxed` that no published descriptor has."""
    known = {descriptor["sha256"] for descriptor in published}
    return [digest for digest in demuxed if digest not in known]
