"""Lists in pages: a cursor, so that rows which come or go meanwhile are neither skipped nor shown twice."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class Cursor(CursorPagination):
    """Newest first by key: keys are made in the order of time, and no two rows share one."""

    ordering: str | tuple[str, ...] = "-id"
    page_size_query_param = "page_size"
    max_page_size = 200
    invalid_cursor_message = "This cursor is not one that this list gave."
