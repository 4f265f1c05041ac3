"""Funded units of work that need not know who asked. The table is the truth; messages are hints."""
