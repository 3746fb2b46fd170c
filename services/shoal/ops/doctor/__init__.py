"""`shoal doctor`: everything about a station that could be wrong without anybody noticing."""
