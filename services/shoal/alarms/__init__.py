"""Alerts the operator to problems through a webhook."""
