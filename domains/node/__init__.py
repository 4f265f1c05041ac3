"""The node as a whole: whether it is paused, by whom and why."""
