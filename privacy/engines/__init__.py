"""The only rooms that talk to an engine: where it is, whether it may be used, and how its SQL is written."""
