/** webtorrent's browser build, which comes without types: engine/torrents.ts says what we use of it. */

declare module "webtorrent/dist/webtorrent.min.js" {
  const constructor: unknown;
  export default constructor;
}
