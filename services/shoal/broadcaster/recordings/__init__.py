"""Keeps streams that have ended as replays (VOD) in the store."""
