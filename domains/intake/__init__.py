"""How an owner's upload becomes a published dataset version: staging, profiling, conforming, mock data."""
