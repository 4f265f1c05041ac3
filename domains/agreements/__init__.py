"""Agreements that people accept before they use data: versioned texts, acceptances, and what is due from whom."""
