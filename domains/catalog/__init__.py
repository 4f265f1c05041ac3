"""What this node holds, described in public metadata: areas, populations, datasets, versions, columns."""
