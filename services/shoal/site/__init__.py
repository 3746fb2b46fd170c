"""The site: serves the built player, its configuration, and statistics of the station."""
