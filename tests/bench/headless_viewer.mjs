// A viewer without a browser: node headless_viewer.mjs BUNDLE PAGE [ROOM]
//   BUNDLE  player/tests/headless/viewer.ts, built
//   ROOM    /ws/room of another signaling process than the page's
// answers each line on stdin with the viewer's figures, one JSON object a line, and goes when stdin
// ends.
import { createInterface } from "node:readline";
import wrtc from "../../player/node_modules/@roamhq/wrtc/lib/index.js";

// readyState changes at any time here, in browsers only between tasks: who has asked it may send
const { send } = wrtc.RTCDataChannel.prototype;
wrtc.RTCDataChannel.prototype.send = function (data) {
  try {
    send.call(this, data);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
  }
};

const [bundle, page, room] = process.argv.slice(2);
const { watch } = await import(bundle);
const viewer = await watch({
  platform: {
    fetch,
    WebSocket,
    PeerConnection: wrtc.RTCPeerConnection,
    subtle: crypto.subtle,
    now: () => performance.now(),
  },
  page: new URL(page),
  room: room ? new URL(room) : null,
  log: (line) => process.stderr.write(`${line}\n`),
});
for await (const _ of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(viewer.stats())}\n`);
// with connections open `process.exit()` may break off in native code
process.kill(process.pid, "SIGKILL");
