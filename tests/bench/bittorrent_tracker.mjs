// The server of npm's bittorrent-tracker, WebSockets only: node bittorrent_tracker.mjs PORT
import Server from "../../player/node_modules/bittorrent-tracker/server.js";

const server = new Server({ http: false, udp: false, stats: false });
server.on("error", (error) => {
  throw error;
});
server.listen(process.argv[2], "127.0.0.1");
