// Two peers of a torrent at a tracker, each the npm `bittorrent-tracker` client:
//   node tests/support/tracker_client.mjs URL INFO_HASH OTHER_INFO_HASH
// prints what they saw, one JSON object per line. Only WebRTC is a stand-in, whose descriptions name
// what they answer: a tracker does not read them, and real WebRTC needs a native library.
import { randomBytes } from "node:crypto";
import { registerHooks } from "node:module";

const STAND_IN = `
export class RTCPeerConnection {
  iceGatheringState = "complete";
  iceConnectionState = "new";
  connectionState = "new";
  signalingState = "stable";
  localDescription = null;
  remoteDescription = null;
  createDataChannel = () => ({ readyState: "connecting", close() {} });
  createOffer = async () => ({ type: "offer", sdp: "offer " + Math.random() });
  createAnswer = async () => ({ type: "answer", sdp: "answer to " + this.remoteDescription.sdp });
  async setLocalDescription(description) {
    this.localDescription = description;
    setTimeout(() => this.onicecandidate?.({ candidate: null }));
  }
  async setRemoteDescription(description) {
    this.remoteDescription = description;
  }
  getStats = async () => new Map();
  close() {}
}
export class RTCSessionDescription {
  constructor(description) {
    Object.assign(this, description);
  }
}
export class RTCIceCandidate {}
`;
registerHooks({
  resolve: (name, context, next) =>
    name === "webrtc-polyfill"
      ? { url: `data:text/javascript,${encodeURIComponent(STAND_IN)}`, shortCircuit: true }
      : next(name, context),
});
const { default: Client } = await import(
  "../../player/node_modules/bittorrent-tracker/client.js"
);

const [url, infoHash, otherInfoHash] = process.argv.slice(2);
const print = (seen) => process.stdout.write(`${JSON.stringify(seen)}\n`);

function peer(name, left, announce) {
  const client = new Client({
    infoHash,
    peerId: randomBytes(20),
    announce,
    port: 6881,
    getAnnounceOpts: () => ({ left, uploaded: 0, downloaded: 0, numwant: 4 }),
  });
  client.on("error", (error) => print({ name, error: error.message }));
  client.on("warning", (error) => {
    print({ name, warning: error.message });
    process.exit(0);
  });
  client.on("peer", (found) => {
    // the client calls this next, with the other peer's description
    found.signal = ({ type, sdp }) => {
      print({ name, received: type, sdp, from: found.id });
      Object.getPrototypeOf(found).signal.call(found, { type, sdp });
    };
    found.on("error", () => undefined);
  });
  print({ name, id: client.peerId });
  return client;
}

const next = (client, event) => new Promise((resolve) => client.once(event, resolve));

async function announce(name, client, event) {
  const answer = next(client, "update");
  if (event === "started") client.start();
  if (event === "update") client.update();
  if (event === "completed") client.complete({ left: 0 });
  if (event === "stopped") client.stop();
  const { complete, incomplete, infoHash: about } = await answer;
  print({ name, event, complete, incomplete, about });
}

async function scrape(client, options) {
  const wanted = options.infoHash?.length ?? 1;
  const found = {};
  await new Promise((resolve) => {
    client.on("scrape", ({ infoHash: about, complete, incomplete, downloaded }) => {
      found[about] = [complete, incomplete, downloaded];
      if (Object.keys(found).length === wanted) resolve();
    });
    client.scrape(options);
  });
  client.removeAllListeners("scrape");
  print({ scraped: found });
}

const one = peer("one", 0, url);
// clients of the same URL share a socket
const two = peer("two", 100, `${url}&another`);
await announce("one", one, "started");
const met = next(two, "peer");
await announce("two", two, "started");
await met;
await announce("two", two, "update");
await scrape(one, {});
await scrape(one, { infoHash: [infoHash, otherInfoHash] });
await announce("two", two, "completed");
await scrape(two, {});
await announce("two", two, "stopped");
await scrape(one, {});
await announce("one", one, "stopped");
process.exit(0);
