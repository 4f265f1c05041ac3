"""From SQL text to an answer that is differentially private and says how accurate it is.

`parse` makes a Plan, `price` says what it costs from public inputs alone, `execute` runs it.
Only `execute` ever loads an engine.
"""
