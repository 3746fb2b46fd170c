// bittorrent-tracker's own server, WebSockets only, on the loopback port of the first argument.
import Server from "../../player/node_modules/bittorrent-tracker/server.js";

const server = new Server({
  http: false,
  udp: false,
  stats: false,
  // it would forget the peers of a swarm beyond 1,000, and drop the answers to them
  peersCacheLength: 100_000,
});
server.on("error", (error) => {
  throw error;
});
server.listen(process.argv[2], "127.0.0.1");
