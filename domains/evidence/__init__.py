"""What the node can show of itself: checks of its own books, evidence packs, and what it tells the public."""
