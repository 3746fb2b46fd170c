"""The WebTorrent tracker: introduces the peers of a torrent to each other, and nothing more."""
