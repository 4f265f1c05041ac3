"""What happened, provably: an append-only Merkle log, its checkpoints and proofs."""
