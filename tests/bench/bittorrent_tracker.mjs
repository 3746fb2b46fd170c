// bittorrent-tracker's own server, WebSockets only, on the loopback port of the first argument.
import Server from "../../player/node_modules/bittorrent-tracker/server.js";

const server = new Server({ http: false, udp: false, stats: false });
server.on("error", (error) => {
  throw error;
});
server.listen(process.argv[2], "127.0.0.1");
