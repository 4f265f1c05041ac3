"""REST API v1: a module per resource. Views translate and make one call inward."""
