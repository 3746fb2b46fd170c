"""Watches Owncast's HLS folder, stores every segment, and publishes the playlists."""
