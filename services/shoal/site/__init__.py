"""Serves the player's build, its configuration and the station's figures."""
