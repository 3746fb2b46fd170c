"""Replay: keeps a stream that has ended as video on demand, in the store."""
