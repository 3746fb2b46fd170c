"""Brings viewers together: rooms, descriptors in order, viewers' figures."""
