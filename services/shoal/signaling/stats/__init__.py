"""What viewers report, its plausibility, and the totals, history and health derived from it."""
