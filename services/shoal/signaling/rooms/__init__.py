"""Rooms: who shares with whom, and who fetches which slice of a segment."""
