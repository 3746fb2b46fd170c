"""Shoal: a live TV station whose viewers are its CDN."""
