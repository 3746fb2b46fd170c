"""What viewers report, whether it can be true, and the totals, history and health made of it."""
