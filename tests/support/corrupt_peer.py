"""Scripts for a viewer's page, run before its own: one poisons, one watches what is played.

They reach in through the browser's own objects, because the player has no hooks for that.
"""

from collections.abc import Iterable, Mapping
from typing import Any

POISONING = """
{
  const send = RTCDataChannel.prototype.send;
  window.poison = false;
  window.poisoned = 0;
  RTCDataChannel.prototype.send = function (data) {
    // docs/protocol.md, "Pieces on the wire": type 1 is a piece, its header has 16 bytes
    if (!window.poison || data[0] !== 1) return send.call(this, data);
    const frame = data.slice();
    frame[16] ^= 0xff;
    window.poisoned += 1;
    return send.call(this, frame);
  };
}
"""
"""once `window.poison` is true, every piece frame has a wrong byte: `window.poisoned` of them"""

POISONING_OTHERS = """
const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  const bytes = new Uint8Array(data).slice();
  // what the library says to its peers is shorter
  if (bytes.length > 10000) bytes[5000] ^= 1;
  send.call(this, bytes);
};
"""
"""the same for p2p-media-loader's pages, and from the begin"""

FEEDING = """
{
  const Original = Uint8Array;
  const MPEG_TS_PACKET_BYTES = 188;
  const SMALLEST_SEGMENT_BYTES = 100 * MPEG_TS_PACKET_BYTES;
  window.fed = [];
  const note = async (bytes) => {
    const digest = new Original(await crypto.subtle.digest("SHA-256", bytes));
    window.fed.push(Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  };
  // hls.js's demuxer looks at what its loader gave it through a new view of the whole buffer
  window.Uint8Array = new Proxy(Original, {
    construct(target, given, newTarget) {
      const view = Reflect.construct(target, given, newTarget);
      const [whole] = given;
      if (
        given.length === 1 &&
        whole instanceof ArrayBuffer &&
        whole.byteLength >= SMALLEST_SEGMENT_BYTES &&
        whole.byteLength % MPEG_TS_PACKET_BYTES === 0
      )
        void note(whole.slice(0));
      return view;
    },
  });
}
"""
"""`window.fed` lists the SHA-256, hex, of every segment that hls.js's demuxer got"""


def false_segments(fed: Iterable[str], published: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the digests of what a player got and nobody published, given the descriptors."""
    known = {descriptor["sha256"] for descriptor in published}
    return [digest for digest in fed if digest not in known]
