"""`shoal up`: a complete station on one machine, for development and demonstrations."""
