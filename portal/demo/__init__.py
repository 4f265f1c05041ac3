"""The demonstration: a node on embedded defaults, real hospital data, and the story played through the REST API."""
