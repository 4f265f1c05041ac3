"""What the database itself promises about requests: revisions, votes and comments stand as they were written."""

from domains.triggers import append_only, register

register(
    *append_only("requests_revision"),
    *append_only("requests_review"),
    *append_only("requests_comment"),
)
