"""Signaling: viewers' rooms, announcements to them, the tracker, and viewers' stats."""
