"""Carrying notices out of the node: by mail, in digests and to webhooks, each try a fact in a row."""
