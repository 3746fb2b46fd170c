"""Telling the operator of problems, by a webhook."""
