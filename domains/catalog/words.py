"""The checks of `domains.words`, under the name by which the rooms above know them."""

from domains.words import once, stated_reason, text

__all__ = ["once", "stated_reason", "text"]
