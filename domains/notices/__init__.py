"""Telling people: notices written in the deciding transaction and delivered after it."""
