"""Purposes and the rights that follow from them: projects, members, reviews, access grants."""
