"""Rooms: which viewers share with each other, and who fetches which slice of a segment."""
