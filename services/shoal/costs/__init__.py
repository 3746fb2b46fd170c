"""Cloud prices, and what the traffic of a station has cost so far."""
