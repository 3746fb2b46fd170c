"""The torrent seed: every segment of the live window as a torrent, seeded over WebRTC."""
