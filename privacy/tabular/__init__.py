"""What an owner's file holds, and how it becomes a table of the declared schema. Runs in a limited child only."""
