"""Several signaling processes ("nodes") that act as one and exchange their state through Redis."""
