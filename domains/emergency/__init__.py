"""Break-glass: an administrator's short emergency access to protective acts, and to nothing else (S7)."""
