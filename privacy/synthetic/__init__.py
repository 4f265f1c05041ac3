"""Rows that look like the data and know nothing of it."""
