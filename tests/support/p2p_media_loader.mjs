// Prints the info_hashes that the real hls.js and p2p-media-loader derive from playlists. Reads a
// JSON array of playlist texts from stdin; prints a JSON array with the info_hashes of the streams of
// each. The first argument is the swarm's id.
//   node --conditions=p2pml:core-as-bundle tests/support/p2p_media_loader.mjs SWARM
import { text } from "node:stream/consumers";
import Hls from "../../player/node_modules/hls.js/dist/hls.mjs";
import { getStreamHash } from "../../player/node_modules/p2p-media-loader-core/lib/utils/peer.js";
import { getStreamSwarmId } from "../../player/node_modules/p2p-media-loader-core/lib/utils/stream.js";

// browser globals that the libraries need, the first one while they load
globalThis.self = globalThis;
globalThis.location = new URL("http://station.test/p2pml");
globalThis.XMLHttpRequest = class {};
const { HlsJsP2PEngine } =
  await import("../../player/node_modules/p2p-media-loader-hlsjs/lib/index.js");

const swarmId = process.argv[2];
const playlists = JSON.parse(await text(process.stdin));
const HlsWithP2P = HlsJsP2PEngine.injectMixin(Hls);

function infoHashes(playlist) {
  class Loader {
    stats = { loading: {}, parsing: {}, buffering: {} };
    load(context, _config, callbacks) {
      queueMicrotask(() => {
        callbacks.onSuccess({ url: context.url, data: playlist }, this.stats, context, null);
      });
    }
    abort() {}
    destroy() {}
  }
  return new Promise((resolve) => {
    const hls = new HlsWithP2P({ loader: Loader, enableWorker: false, p2p: { core: { swarmId } } });
    hls.on(Hls.Events.MANIFEST_LOADED, () => {
      // the engine's own listener runs after this one
      queueMicrotask(() => {
        const streams = [...hls.p2pEngine.core.streams.values()];
        resolve(streams.map((stream) => getStreamHash(getStreamSwarmId(swarmId, stream))));
      });
    });
    hls.loadSource("/live/playlist.m3u8");
  });
}

const found = [];
for (const playlist of playlists) found.push(await infoHashes(playlist));
console.log(JSON.stringify(found));
process.exit(0);
