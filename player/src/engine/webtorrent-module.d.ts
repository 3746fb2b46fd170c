/** webtorrent's browser build has no types; engine/webtorrent.ts declares what we use. */

declare module "webtorrent/dist/webtorrent.min.js" {
  const constructor: unknown;
  export default constructor;
}
