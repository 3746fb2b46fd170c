"""Settings: the classes, their types, and where values and secrets come from."""
