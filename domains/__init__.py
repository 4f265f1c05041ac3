"""What a node knows and decides: small Django apps, each knowing only those beneath it."""
