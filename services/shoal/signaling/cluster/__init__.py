"""Several signaling processes as one: what each has is told to the others through Redis."""
