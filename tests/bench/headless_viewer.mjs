// A viewer without a browser: node headless_viewer.mjs BUNDLE PAGE [ROOM]
//   BUNDLE  the built player/tests/headless/viewer.ts
//   ROOM    /ws/room of another signaling process (default: that of the page)
// Answers each line on stdin with the viewer's stats, one JSON object per line, and exits when stdin
// ends.
import { createInterface } from "node:readline";
import wrtc from "../../player/node_modules/@roamhq/wrtc/lib/index.js";

// In browsers readyState changes only between tasks, so code may check it and then send. Here it may
// change in between.
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
// with open connections, `process.exit()` may crash in native code
process.kill(process.pid, "SIGKILL");
