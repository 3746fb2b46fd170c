"""The WebTorrent tracker: brings the peers of one torrent together, and nothing more."""
