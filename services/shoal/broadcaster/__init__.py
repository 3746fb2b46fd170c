"""Watches Owncast's folder, stores every segment, publishes the playlists."""
