"""What an operator runs against a station: report."""
