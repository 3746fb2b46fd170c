"""`shoal doctor`: finds faults of a station that would otherwise go unnoticed."""
