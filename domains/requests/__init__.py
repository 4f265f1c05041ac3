"""What scientists ask: requests, their revisions and reviews, their running and their releases."""
