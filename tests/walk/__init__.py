"""Walking every machine: who is who, how each state is reached, and how each move is made."""
