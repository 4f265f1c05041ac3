"""Privacy counted like money: accounts, charges, entries and answers, in integers, append-only."""
